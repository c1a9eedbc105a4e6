// SPDX-License-Identifier: Apache-2.0
#include "esp/inner_packet.hpp"

namespace espalier::esp {

namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17, kSctp = 132, kDccp = 33, kUdpLite = 136;
constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                       kDestinationOptions = 60;

std::uint16_t be16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}

bool has_ports(std::uint8_t protocol) noexcept {
  return protocol == kTcp || protocol == kUdp || protocol == kSctp || protocol == kDccp ||
         protocol == kUdpLite;
}

void read_ports(FlowKey& flow, std::span<const std::uint8_t> upper) noexcept {
  if (!has_ports(flow.protocol) || upper.size() < 4) return;
  flow.source_port = be16(upper.data());
  flow.destination_port = be16(upper.data() + 2);
}

std::optional<InnerPacket> parse_ipv4(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < 20) return std::nullopt;
  const std::uint32_t header = (packet[0] & 15u) * 4;
  const std::uint32_t total = be16(&packet[2]);
  if (header < 20 || total < header || total > packet.size()) return std::nullopt;
  InnerPacket inner;
  inner.length = total;
  inner.tos = packet[1];
  inner.flow.family = Family::ipv4;
  inner.flow.protocol = packet[9];
  std::memcpy(inner.flow.source, &packet[12], 4);
  std::memcpy(inner.flow.destination, &packet[16], 4);
  const bool later_fragment = (be16(&packet[6]) & 0x1fff) != 0;
  if (!later_fragment) read_ports(inner.flow, packet.subspan(header, total - header));
  return inner;
}

// Walks the extension headers (RFC 8200 4) up to the upper-layer protocol.
void read_ipv6_upper(FlowKey& flow, std::uint8_t next, std::span<const std::uint8_t> rest) noexcept {
  bool later_fragment = false;
  for (int headers = 0; headers < 8; ++headers) {
    const bool extension = next == kHopByHop || next == kRouting || next == kFragment ||
                           next == kAuthentication || next == kDestinationOptions;
    if (!extension || later_fragment || rest.size() < 8) break;
    std::size_t length = (rest[1] + std::size_t{1}) * 8;
    if (next == kFragment) {
      length = 8;
      later_fragment = (be16(&rest[2]) & 0xfff8) != 0;
    } else if (next == kAuthentication) {
      length = (rest[1] + std::size_t{2}) * 4;
    }
    if (length > rest.size()) break;
    next = rest[0];
    rest = rest.subspan(length);
  }
  flow.protocol = next;
  if (!later_fragment) read_ports(flow, rest);
}

std::optional<InnerPacket> parse_ipv6(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < 40) return std::nullopt;
  const std::uint32_t total = 40u + be16(&packet[4]);
  if (total > packet.size()) return std::nullopt;
  InnerPacket inner;
  inner.length = total;
  inner.tos = static_cast<std::uint8_t>(packet[0] << 4 | packet[1] >> 4);
  inner.flow.family = Family::ipv6;
  std::memcpy(inner.flow.source, &packet[8], 16);
  std::memcpy(inner.flow.destination, &packet[24], 16);
  read_ipv6_upper(inner.flow, packet[6], packet.subspan(40, total - 40));
  return inner;
}

}  // namespace

std::optional<InnerPacket> parse_inner(std::span<const std::uint8_t> packet) noexcept {
  if (packet.empty()) return std::nullopt;
  switch (packet[0] >> 4) {
    case 4: return parse_ipv4(packet);
    case 6: return parse_ipv6(packet);
    default: return std::nullopt;
  }
}

}  // namespace espalier::esp
