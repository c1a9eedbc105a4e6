// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/wire_port.hpp>

#include "io/descriptor.hpp"
#include "io/error_queue.hpp"
#include "io/received_datagrams.hpp"

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace espalier::io {

enum class SocketKind : std::uint8_t {
  raw,             // addresses have no ports
  udp,             // each packet a datagram
  udp_segmenting,  // runs of equally long packets are one message, which the kernel cuts
                   // (UDP_SEGMENT)
};

// A non-blocking UDP or raw IP socket that moves bursts with one system call each way, in arrays
// made once. Owned by one worker.
class DatagramSocket {
 public:
  static constexpr std::size_t kBurst = 64;

  DatagramSocket(Descriptor socket, Endpoint local, SocketKind kind,
                 std::shared_ptr<PortCounters> counters);

  // Reads datagrams, with sender and TOS. `unwrap(bytes, wire)` leaves in `bytes` the ESP packet,
  // which then stands at kHeadroom, or is false for what is none. What does not fit is dropped and
  // counted, as are errors that ICMP brought.
  template <class Unwrap>
  std::size_t receive(std::span<Packet* const> packets, Unwrap&& unwrap) noexcept {
    std::size_t given = 0;
    Datagram datagram;
    for (int reads = 0; given < packets.size();) {
      if (!received_.next(datagram)) {
        if (given > 0 || reads++ == kReads || !read_burst()) break;
        continue;
      }
      WireAddress wire{.local = local_, .peer = datagram.peer, .tos = datagram.tos};
      if (fits(datagram, *packets[given]) && unwrap(datagram.bytes, wire))
        put(datagram.bytes, wire, *packets[given++]);
    }
    return given;
  }

  // Sends all to their wire.peer with their TOS and DF; gives the number that the system took.
  std::size_t send(std::span<Packet* const> packets) noexcept;

  int descriptor() const noexcept { return socket_.get(); }
  void take_errors() noexcept;  // that ICMP has brought
  std::optional<PathMtu> take_path_mtu() noexcept { return errors_.take(); }
  const Endpoint& local() const noexcept { return local_; }
  PortCounters& counters() noexcept { return *counters_; }

 private:
  static constexpr int kReads = 4;  // that hold no ESP packet, before the worker goes on
  struct alignas(std::size_t) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t))> bytes;
  };
  struct Arrays {
    std::array<mmsghdr, kBurst> messages{};
    std::array<iovec, kBurst> parts{};
    std::array<sockaddr_storage, kBurst> names{};
    std::array<Control, kBurst> controls{};
  };

  bool read_burst() noexcept;
  bool fits(const Datagram& datagram, const Packet& packet) noexcept;
  static void put(std::span<const std::uint8_t> bytes, const WireAddress& wire,
                  Packet& packet) noexcept;

  std::size_t count_joined(std::span<Packet* const> packets) const noexcept;
  void prepare_message(std::size_t slot, iovec* parts, std::span<Packet* const> run) noexcept;
  std::size_t prepare_burst(std::span<Packet* const> packets, std::size_t& messages) noexcept;
  std::size_t send_prepared(std::size_t messages, bool dont_fragment) noexcept;
  std::size_t send_singly(std::size_t slot, bool dont_fragment, int error) noexcept;
  void stop_joining() noexcept;
  void set_dont_fragment(bool on) noexcept;

  Descriptor socket_;
  Endpoint local_;
  SocketKind kind_;
  int dont_fragment_ = -1;  // as last set on the socket; -1: never
  std::shared_ptr<PortCounters> counters_;
  std::unique_ptr<Arrays> arrays_;  // for sending
  ReceivedDatagrams received_;
  ErrorQueue errors_;
};

// Makes a socket as every port needs it: non-blocking, TOS received, IPv6 only, large buffers.
Result<Descriptor> make_socket(Family family, int type, int protocol, std::uint32_t buffer_bytes);

// IPv4 alone, and not together with segmentation.
Result<void> send_without_checksum(int fd);

Result<void> set_option(int fd, int level, int option, int value, const char* what);

}  // namespace espalier::io
