// SPDX-License-Identifier: Apache-2.0
#include "io/capture_frame.hpp"

#include "io/checksum.hpp"
#include "io/ip_fields.hpp"

#include <pcap/dlt.h>

#include <algorithm>
#include <cstring>

namespace espalier::io {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kEthernetHeader = 14, kVlanTag = 4, kSllHeader = 16, kSll2Header = 20;
constexpr std::uint16_t kVlan = 0x8100, kServiceVlan = 0x88a8, kEtherIpv4 = 0x0800,
                        kEtherIpv6 = 0x86dd;
constexpr std::uint8_t kEsp = 50, kIpv6Fragment = 44, kHopLimit = 64;
constexpr std::uint16_t kMoreFragmentsOrOffset = 0x3fff;

// What follows the link header; nothing if it is not IP.
Bytes after_link_header(int link_type, Bytes frame) noexcept {
  std::size_t header = 0, type = 0;
  switch (link_type) {
    case DLT_EN10MB:
      header = kEthernetHeader;
      type = kEthernetHeader - 2;
      break;
    case DLT_LINUX_SLL:
      header = kSllHeader;
      type = kSllHeader - 2;
      break;
    case DLT_LINUX_SLL2:
      header = kSll2Header;
      break;
    default:
      return frame;
  }
  for (; frame.size() >= header; header += kVlanTag, type = header - 2) {
    const std::uint16_t ether = load16(&frame[type]);
    if (ether == kEtherIpv4 || ether == kEtherIpv6) return frame.subspan(header);
    if (ether != kVlan && ether != kServiceVlan) break;
  }
  return {};
}

// The length that an IP packet says it has; 0 if it is none.
std::size_t ip_length(Bytes packet) noexcept {
  if (packet.size() >= kIpv4Header && packet[0] >> 4 == 4) return load16(&packet[kIpv4Length]);
  if (packet.size() >= kIpv6Header && packet[0] >> 4 == 6)
    return kIpv6Header + load16(&packet[kIpv6Length]);
  return 0;
}

struct IpHeader {
  WireAddress wire;
  std::uint8_t protocol;
  Bytes payload;
};

std::expected<IpHeader, NoPacket> parse_ip(Bytes ip) noexcept {
  IpHeader header{};
  if (ip[0] >> 4 == 4) {
    const std::size_t length = (ip[0] & 15u) * 4;
    if (length < kIpv4Header || length > ip.size()) return std::unexpected(NoPacket::not_ip);
    if ((load16(&ip[kIpv4Fragment]) & kMoreFragmentsOrOffset) != 0)
      return std::unexpected(NoPacket::fragment);
    header.wire.peer.address = IpAddress::from_bytes(Family::ipv4, &ip[kIpv4Addresses]);
    header.wire.local.address = IpAddress::from_bytes(Family::ipv4, &ip[kIpv4Addresses + 4]);
    header.wire.tos = ip[1];
    header.wire.dont_fragment = (load16(&ip[kIpv4Fragment]) & kIpv4DontFragment) != 0;
    header.protocol = ip[kIpv4Protocol];
    header.payload = ip.subspan(length);
    return header;
  }
  if (ip[kIpv6Next] == kIpv6Fragment) return std::unexpected(NoPacket::fragment);
  header.wire.peer.address = IpAddress::from_bytes(Family::ipv6, &ip[kIpv6Addresses]);
  header.wire.local.address = IpAddress::from_bytes(Family::ipv6, &ip[kIpv6Addresses + 16]);
  header.wire.tos = static_cast<std::uint8_t>(ip[0] << 4 | ip[1] >> 4);
  header.protocol = ip[kIpv6Next];
  header.payload = ip.subspan(kIpv6Header);
  return header;
}

void put_ip_header(std::span<std::uint8_t> ip, const WireAddress& wire, std::uint8_t protocol) {
  const auto length = static_cast<std::uint32_t>(ip.size());
  if (wire.local.address.family == Family::ipv4) {
    std::ranges::fill(ip.first(kIpv4Header), std::uint8_t{0});
    ip[0] = 0x45;
    ip[1] = wire.tos;
    store16(&ip[kIpv4Length], length);
    store16(&ip[kIpv4Fragment], wire.dont_fragment ? kIpv4DontFragment : 0u);
    ip[kIpv4Ttl] = kHopLimit;
    ip[kIpv4Protocol] = protocol;
    std::ranges::copy(wire.local.address.view(), &ip[kIpv4Addresses]);
    std::ranges::copy(wire.peer.address.view(), &ip[kIpv4Addresses + 4]);
    const auto checksum = static_cast<std::uint16_t>(~fold(sum_words(ip.first(kIpv4Header))));
    std::memcpy(&ip[kIpv4Checksum], &checksum, sizeof checksum);
    return;
  }
  store32(&ip[0], 0x60000000u | std::uint32_t{wire.tos} << 20);
  store16(&ip[kIpv6Length], length - static_cast<std::uint32_t>(kIpv6Header));
  ip[kIpv6Next] = protocol;
  ip[kIpv6HopLimit] = kHopLimit;
  std::ranges::copy(wire.local.address.view(), &ip[kIpv6Addresses]);
  std::ranges::copy(wire.peer.address.view(), &ip[kIpv6Addresses + 16]);
}

// Over IPv4 without a checksum (RFC 3948 2.1); IPv6 asks for one.
void put_udp_header(std::span<std::uint8_t> udp, const WireAddress& wire) noexcept {
  store16(&udp[0], wire.local.port);
  store16(&udp[2], wire.peer.port);
  store16(&udp[kUdpLength], static_cast<std::uint32_t>(udp.size()));
  store16(&udp[kUdpChecksum], 0);
  if (wire.local.address.family == Family::ipv4) return;
  const auto length = static_cast<std::uint32_t>(udp.size());
  const auto checksum = static_cast<std::uint16_t>(
      ~fold(sum_words(wire.local.address.view()) +
            sum_pseudo_header(wire.peer.address.view(), kUdp, length) + sum_words(udp)));
  const std::uint16_t stored = checksum == 0 ? std::uint16_t{0xffff} : checksum;
  std::memcpy(&udp[kUdpChecksum], &stored, sizeof stored);
}

}  // namespace

bool is_known_link(int link_type) noexcept {
  constexpr int kKnown[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_IPV4, DLT_IPV6};
  return std::ranges::find(kKnown, link_type) != std::end(kKnown);
}

std::expected<Bytes, NoPacket> ip_packet_in(int link_type, Bytes frame,
                                            std::uint32_t length) noexcept {
  const bool cut = frame.size() < length;
  const Bytes packet = after_link_header(link_type, frame);
  const std::size_t said = ip_length(packet);
  if (said > packet.size() && cut) return std::unexpected(NoPacket::truncated);
  if (said == 0 && cut && frame.size() < kSll2Header + kIpv6Header)
    return std::unexpected(NoPacket::truncated);
  if (said < kIpv4Header || said > packet.size()) return std::unexpected(NoPacket::not_ip);
  return packet.first(said);
}

std::expected<OuterPacket, NoPacket> esp_packet_in(Bytes ip, std::uint16_t udp_port) noexcept {
  auto header = parse_ip(ip);
  if (!header) return std::unexpected(header.error());
  if (header->protocol == kEsp) return OuterPacket{header->payload, header->wire};
  if (header->protocol != kUdp || header->payload.size() < kUdpHeader)
    return std::unexpected(NoPacket::not_esp);
  header->wire.peer.port = load16(&header->payload[0]);
  header->wire.local.port = load16(&header->payload[2]);
  const Bytes inside = header->payload.subspan(kUdpHeader);
  const bool marked = inside.size() < 4 || load32(inside.data()) == 0;  // IKE, or a keepalive
  if (header->wire.local.port != udp_port || marked) return std::unexpected(NoPacket::not_esp);
  return OuterPacket{inside, header->wire};
}

void prepend_outer_headers(Packet& packet, Encapsulation encapsulation) noexcept {
  const bool udp = encapsulation == Encapsulation::udp;
  if (udp) {
    packet.offset -= std::uint32_t{kUdpHeader};
    packet.length += std::uint32_t{kUdpHeader};
    put_udp_header(packet.view(), packet.wire);
  }
  const bool v4 = packet.wire.local.address.family == Family::ipv4;
  const auto header = static_cast<std::uint32_t>(v4 ? kIpv4Header : kIpv6Header);
  packet.offset -= header;
  packet.length += header;
  put_ip_header(packet.view(), packet.wire, udp ? kUdp : kEsp);
}

}  // namespace espalier::io
