// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "xfrm/transport.hpp"

struct nl_sock;

namespace espalier::xfrm {

// The kernel of this machine, in the network namespace of the thread that connects. [control]
class NetlinkTransport final : public Transport {
 public:
  static Result<std::unique_ptr<NetlinkTransport>> connect();
  ~NetlinkTransport() override;
  NetlinkTransport(const NetlinkTransport&) = delete;
  NetlinkTransport& operator=(const NetlinkTransport&) = delete;

  Result<std::vector<Answer>> exchange(std::span<Request> requests) override;
  std::uint32_t port() const noexcept override;
  int interface_index(const std::string& name) override;

 private:
  explicit NetlinkTransport(nl_sock* socket);

  // A part of the requests that goes to the kernel at once, and what is known of its answers.
  struct Batch {
    std::span<Request> requests;
    std::span<Answer> answers;
    std::size_t open = 0;
  };
  Result<void> run(Batch batch);
  Result<void> send(std::span<Request> requests);
  Result<void> receive(Batch& batch);
  void take(const nlmsghdr& message, Batch& batch);
  int descriptor() const noexcept;

  nl_sock* socket_;
  std::uint32_t sequence_ = 1;
  std::vector<std::uint8_t> buffer_;  // may have held keys: wiped after each use
};

}  // namespace espalier::xfrm
