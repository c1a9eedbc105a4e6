// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/control_service.hpp"
#include "gateway/control_socket.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace espalier {

// Serves the control socket on an event loop: one line in, one line out, in order, for each
// client. Clients of other users but root are turned away. [control]
class ControlServer {
 public:
  using Answer = std::function<ControlReply(std::span<char> line)>;
  static constexpr std::size_t kMaxClients = 32;

  // `stop` is called once the reply to a request that ends the gateway has been sent.
  ControlServer(boost::asio::io_context& loop, ControlSocket socket, Answer answer,
                std::function<void()> stop);
  ~ControlServer();  // ends every client's connection
  // Sends a line to each client that follows. One that does not read is cut off.
  void publish(const std::string& line);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace espalier
