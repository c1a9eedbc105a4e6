// SPDX-License-Identifier: Apache-2.0
#include <espalier/wire_port.hpp>

#include "io/datagram_socket.hpp"
#include "io/os_error.hpp"
#include "io/socket_address.hpp"
#include "io/spi_filter.hpp"

#include <netinet/in.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier {
namespace {

using io::DatagramSocket;
using io::Descriptor;

constexpr std::uint32_t kEspHeader = 8;
constexpr std::uint32_t kIpv4Header = 20;  // without options
constexpr std::uint8_t kDontFragment = 0x40;

class RawPort final : public PacketPort {
 public:
  explicit RawPort(DatagramSocket socket) : socket_(std::move(socket)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    const bool v4 = socket_.local().address.family == Family::ipv4;
    return socket_.receive(packets, [&](std::span<const std::uint8_t>& bytes, WireAddress& wire) {
      const bool good = (!v4 || strip_ipv4_header(bytes, wire)) && bytes.size() >= kEspHeader;
      if (!good) socket_.counters().runts.fetch_add(1, std::memory_order_relaxed);
      return good;
    });
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
  static bool strip_ipv4_header(std::span<const std::uint8_t>& bytes, WireAddress& wire) noexcept {
    if (bytes.size() < kIpv4Header) return false;
    const std::size_t header = (bytes[0] & 0x0fu) * 4u;
    if (header < kIpv4Header || header > bytes.size()) return false;
    wire.dont_fragment = (bytes[6] & kDontFragment) != 0;
    bytes = bytes.subspan(header);
    return true;
  }

  DatagramSocket socket_;
};

Result<Descriptor> open_one(const WireOptions& options, std::uint32_t worker) {
  const Family family = options.local.address.family;
  auto socket = io::make_socket(family, SOCK_RAW, IPPROTO_ESP, options.socket_buffer);
  if (!socket && socket.error().code == ErrorCode::permission)
    return fail(ErrorCode::permission,
                "No permission to open a raw socket for ESP (IP protocol 50). Run as root or with "
                "CAP_NET_RAW, or set 'encapsulation = \"udp\"', which needs neither.");
  if (!socket) return socket;
  // Before bind(), so that no packet of another worker is queued meanwhile.
  if (options.workers > 1)
    if (auto kept = io::keep_own_spis(socket->get(), family, worker, options.workers); !kept)
      return std::unexpected(kept.error());
  sockaddr_storage address{};
  const socklen_t size = io::to_sockaddr({options.local.address, 0}, address);
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
    return fail(errno == EADDRNOTAVAIL ? ErrorCode::not_found : ErrorCode::io,
                fmt::format("ESP cannot be received at {}: {}. Set the address up first "
                            "('ip address'), or correct the 'address' of its [site] table.",
                            to_string(options.local.address), io::words_of(errno)));
  return socket;
}

}  // namespace

Result<WirePorts> open_raw(const WireOptions& options) {
  if (options.workers == 0) return fail(ErrorCode::invalid, "A gateway needs at least 1 worker.");
  auto counters = std::make_shared<PortCounters>();
  WirePorts made{{}, counters};
  for (std::uint32_t worker = 0; worker < options.workers; ++worker) {
    auto socket = open_one(options, worker);
    if (!socket) return std::unexpected(socket.error());
    made.ports.push_back(std::make_unique<RawPort>(DatagramSocket(
        std::move(*socket), {options.local.address, 0}, io::SocketKind::raw, counters)));
  }
  return made;
}

}  // namespace espalier
