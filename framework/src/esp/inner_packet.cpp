// SPDX-License-Identifier: Apache-2.0
#include "esp/inner_packet.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_fields.hpp"

#include <cstring>

namespace espalier::esp {

namespace {

constexpr std::uint8_t kSctp = 132, kDccp = 33, kUdpLite = 136;
constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                       kDestinationOptions = 60;

constexpr auto kHasPorts = [] {
  std::array<bool, 256> has{};
  for (const auto protocol : {kTcp, kUdp, kSctp, kDccp, kUdpLite}) has[protocol] = true;
  return has;
}();

// Family, protocol and ports of a packet whose upper-layer header begins with `upper`.
std::uint64_t pack(Family family, std::uint8_t protocol,
                   std::span<const std::uint8_t> upper) noexcept {
  const bool ports = kHasPorts[protocol] && upper.size() >= 4;
  return FlowKey::pack(family, protocol, ports ? load_be32(upper.data()) : 0);
}

std::uint64_t load(const std::uint8_t* p, std::size_t size) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, p, size);
  return value;
}

// `first`: the first four bytes, which hold version, header length, traffic class and, of IPv4, the
// total length. The packet is not shorter than an IPv4 header.
std::optional<InnerPacket> parse_ipv4(std::uint32_t first,
                                      std::span<const std::uint8_t> packet) noexcept {
  const std::uint32_t header = (first >> 24 & 15) * 4;
  const std::uint32_t total = first & 0xffff;
  if (header < kIpv4Header || total < header || total > packet.size()) return std::nullopt;
  const std::uint16_t fragment = load_be16(&packet[kIpv4Fragment]);
  const bool later_fragment = (fragment & kIpv4FragmentOffset) != 0;
  const auto upper = packet.subspan(header, later_fragment ? 0 : total - header);
  InnerPacket inner;
  inner.flow.source[0] = load(&packet[kIpv4Addresses], 4);
  inner.flow.destination[0] = load(&packet[kIpv4Addresses + 4], 4);
  inner.flow.rest = pack(Family::ipv4, packet[kIpv4Protocol], upper);
  inner.length = total;
  inner.tos = static_cast<std::uint8_t>(first >> 16);
  inner.dont_fragment = (fragment & kIpv4DontFragment) != 0;
  if (header == kIpv4Header && (fragment & (kIpv4MoreFragments | kIpv4FragmentOffset)) == 0) {
    inner.plain_header = static_cast<std::uint8_t>(kIpv4Header);
  }
  inner.after_header = packet[kIpv4Protocol];
  return inner;
}

// Walks the extension headers (RFC 8200 4) up to the upper-layer protocol.
std::uint64_t pack_ipv6(std::uint8_t next, std::span<const std::uint8_t> rest) noexcept {
  bool later_fragment = false;
  for (int headers = 0; headers < 8; ++headers) {
    const bool extension = next == kHopByHop || next == kRouting || next == kFragment ||
                           next == kAuthentication || next == kDestinationOptions;
    if (!extension || later_fragment || rest.size() < 8) break;
    std::size_t length = (rest[1] + std::size_t{1}) * 8;
    if (next == kFragment) {
      length = 8;
      later_fragment = (load_be16(&rest[2]) & 0xfff8) != 0;
    } else if (next == kAuthentication) {
      length = (rest[1] + std::size_t{2}) * 4;
    }
    if (length > rest.size()) break;
    next = rest[0];
    rest = rest.subspan(length);
  }
  return pack(Family::ipv6, next, later_fragment ? rest.first(0) : rest);
}

std::optional<InnerPacket> parse_ipv6(std::uint32_t first,
                                      std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < kIpv6Header) return std::nullopt;
  const std::uint32_t total = kIpv6Header + load_be16(&packet[kIpv6Length]);
  if (total > packet.size()) return std::nullopt;
  InnerPacket inner;
  inner.flow.source = {load(&packet[kIpv6Addresses], 8), load(&packet[kIpv6Addresses + 8], 8)};
  inner.flow.destination = {load(&packet[kIpv6Addresses + 16], 8),
                            load(&packet[kIpv6Addresses + 24], 8)};
  inner.flow.rest = pack_ipv6(packet[kIpv6Next], packet.subspan(kIpv6Header, total - kIpv6Header));
  inner.length = total;
  inner.tos = static_cast<std::uint8_t>(first >> 20);
  inner.after_header = packet[kIpv6Next];
  const bool for_the_way = inner.after_header == kHopByHop || inner.after_header == kRouting ||
                           inner.after_header == kFragment;
  if (!for_the_way) inner.plain_header = static_cast<std::uint8_t>(kIpv6Header);
  return inner;
}

}  // namespace

std::optional<InnerPacket> parse_inner(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < kIpv4Header) return std::nullopt;
  const std::uint32_t first = load_be32(packet.data());
  const std::uint32_t version = first >> 28;
  if (version == 4) return parse_ipv4(first, packet);
  if (version == 6) return parse_ipv6(first, packet);
  return std::nullopt;
}

}  // namespace espalier::esp
