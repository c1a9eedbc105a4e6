// SPDX-License-Identifier: Apache-2.0
#include <espalier/wire_port.hpp>

#include "io/bind_error.hpp"
#include "io/datagram_socket.hpp"
#include "io/os_error.hpp"
#include "io/socket_address.hpp"
#include "io/spi_filter.hpp"
#include "io/udp_demux.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace espalier {
namespace {

using io::DatagramSocket;
using io::Descriptor;

class UdpPort final : public PacketPort {
 public:
  explicit UdpPort(DatagramSocket socket) : socket_(std::move(socket)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    return socket_.receive(packets, [this](std::span<const std::uint8_t> datagram,
                                           const WireAddress&) { return is_esp(datagram); });
  }

  std::size_t send(std::span<Packet* const> packets) noexcept override {
    return socket_.send(packets);
  }

  int descriptor() const noexcept override { return socket_.descriptor(); }
  bool look_at_error() noexcept override {
    socket_.take_errors();
    return true;
  }
  std::optional<PathMtu> take_path_mtu() noexcept override { return socket_.take_path_mtu(); }

 private:
  bool is_esp(std::span<const std::uint8_t> datagram) noexcept {
    PortCounters& counters = socket_.counters();
    const auto count = [](std::atomic<std::uint64_t>& counter) {
      counter.fetch_add(1, std::memory_order_relaxed);
      return false;
    };
    switch (io::classify_udp(datagram)) {
      case io::UdpPayload::esp:
        return true;
      case io::UdpPayload::keepalive:
        return count(counters.keepalives);
      case io::UdpPayload::ike:
        return count(counters.ike);
      case io::UdpPayload::runt:
        break;
    }
    return count(counters.runts);
  }

  DatagramSocket socket_;
};

// Over IPv4 ESP is sent without a UDP checksum (RFC 3948 2.1), but not where the kernel cuts large
// messages: it does that only together with the checksum, which most devices then compute.
Result<void> set_udp_options(int fd, Family family, bool offloads) {
  if (offloads)
    if (auto merged = io::set_option(fd, IPPROTO_UDP, UDP_GRO, 1, "UDP_GRO"); !merged)
      return merged;
  if (family == Family::ipv6)
    return io::set_option(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1, "UDP_NO_CHECK6_RX");
  return offloads ? Result<void>{} : io::send_without_checksum(fd);
}

// The first socket takes the port for itself, so that no other program shares it, and only then
// opens the group to those that follow.
Result<Descriptor> open_member(const WireOptions& options, const Endpoint& local, bool first) {
  auto socket =
      io::make_socket(local.address.family, SOCK_DGRAM, IPPROTO_UDP, options.socket_buffer);
  if (!socket) return socket;
  const auto share = [&] {
    return io::set_option(socket->get(), SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  };
  if (auto set = set_udp_options(socket->get(), local.address.family, options.offloads); !set)
    return std::unexpected(set.error());
  if (!first)
    if (auto shared = share(); !shared) return std::unexpected(shared.error());
  sockaddr_storage address{};
  const socklen_t size = io::to_sockaddr(local, address);
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
    return std::unexpected(io::bind_error(local, errno));
  if (first && options.workers > 1)
    if (auto shared = share(); !shared) return std::unexpected(shared.error());
  return socket;
}

Endpoint bound_endpoint(int fd, const Endpoint& asked) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return asked;
  return io::from_sockaddr(address);
}

}  // namespace

Result<WirePorts> open_udp(const WireOptions& options) {
  if (options.workers == 0) return fail(ErrorCode::invalid, "A gateway needs at least 1 worker.");
  auto counters = std::make_shared<PortCounters>();
  WirePorts made{{}, counters};
  Endpoint local = options.local;
  int first_fd = -1;
  const auto kind = options.offloads ? io::SocketKind::udp_segmenting : io::SocketKind::udp;
  for (std::uint32_t worker = 0; worker < options.workers; ++worker) {
    auto socket = open_member(options, local, worker == 0);
    if (!socket) return std::unexpected(socket.error());
    if (worker == 0) {
      local = bound_endpoint(socket->get(), local);  // port 0 takes any
      first_fd = socket->get();
    }
    made.ports.push_back(
        std::make_unique<UdpPort>(DatagramSocket(std::move(*socket), local, kind, counters)));
  }
  if (options.workers > 1)
    if (auto steered = io::steer_group_by_spi(first_fd, options.workers); !steered)
      return std::unexpected(steered.error());
  return made;
}

}  // namespace espalier
