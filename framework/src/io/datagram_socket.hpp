// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/wire_port.hpp>

#include "io/descriptor.hpp"

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace espalier::io {

// A non-blocking UDP or raw IP socket that moves bursts with one system call each way, in arrays
// made once. Owned by one worker.
class DatagramSocket {
 public:
  static constexpr std::size_t kBurst = 64;

  // `with_ports` is false for raw sockets, whose addresses have none.
  DatagramSocket(Descriptor socket, Endpoint local, bool with_ports,
                 std::shared_ptr<PortCounters> counters);

  // Reads up to kBurst datagrams to `offset` of the packets, with sender and TOS. What does not fit
  // is dropped and counted, as are errors that ICMP brought.
  std::size_t receive(std::span<Packet* const> packets, std::uint32_t offset) noexcept;

  // Sends all to their wire.peer with their TOS and DF; gives the number that the system took.
  std::size_t send(std::span<Packet* const> packets) noexcept;

  int descriptor() const noexcept { return socket_.get(); }
  const Endpoint& local() const noexcept { return local_; }
  PortCounters& counters() noexcept { return *counters_; }

 private:
  struct alignas(std::size_t) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(int))> bytes;
  };
  struct Arrays {
    std::array<mmsghdr, kBurst> messages{};
    std::array<iovec, kBurst> parts{};
    std::array<sockaddr_storage, kBurst> names{};
    std::array<Control, kBurst> controls{};
  };

  int read_burst(std::span<Packet* const> packets, std::uint32_t offset) noexcept;
  void prepare_send(std::size_t slot, const Packet& packet) noexcept;
  std::size_t send_prepared(std::size_t count) noexcept;
  void set_dont_fragment(bool on) noexcept;
  std::uint8_t tos_of(msghdr& message) const noexcept;

  Descriptor socket_;
  Endpoint local_;
  bool with_ports_;
  int dont_fragment_ = -1;  // as last set on the socket; -1: never
  std::shared_ptr<PortCounters> counters_;
  std::unique_ptr<Arrays> arrays_;
};

// Makes a socket as every port needs it: non-blocking, TOS received, IPv6 only, large buffers.
Result<Descriptor> make_socket(Family family, int type, int protocol, std::uint32_t buffer_bytes);

Result<void> set_option(int fd, int level, int option, int value, const char* what);

}  // namespace espalier::io
