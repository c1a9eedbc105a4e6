// SPDX-License-Identifier: Apache-2.0
#include "io/capture_frame.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_header.hpp"

#include <pcap/dlt.h>

#include <algorithm>
#include <cstring>

namespace espalier::io {

using namespace esp;

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kEthernetHeader = 14, kVlanTag = 4, kSllHeader = 16, kSll2Header = 20;
constexpr std::uint16_t kVlan = 0x8100, kServiceVlan = 0x88a8, kEtherIpv4 = 0x0800,
                        kEtherIpv6 = 0x86dd;
constexpr std::uint8_t kIpv6Fragment = 44;
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
    const std::uint16_t ether = load_be16(&frame[type]);
    if (ether == kEtherIpv4 || ether == kEtherIpv6) return frame.subspan(header);
    if (ether != kVlan && ether != kServiceVlan) break;
  }
  return {};
}

// The length that an IP packet says it has; 0 if it is none.
std::size_t ip_length(Bytes packet) noexcept {
  if (packet.size() >= kIpv4Header && packet[0] >> 4 == 4) return load_be16(&packet[kIpv4Length]);
  if (packet.size() >= kIpv6Header && packet[0] >> 4 == 6)
    return kIpv6Header + load_be16(&packet[kIpv6Length]);
  return 0;
}

struct ReadIpHeader {
  WireAddress wire;
  std::uint8_t protocol;
  Bytes payload;
};

std::expected<ReadIpHeader, NoPacket> parse_ip(Bytes ip) noexcept {
  ReadIpHeader header{};
  if (ip[0] >> 4 == 4) {
    const std::size_t length = (ip[0] & 15u) * 4;
    if (length < kIpv4Header || length > ip.size()) return std::unexpected(NoPacket::not_ip);
    if ((load_be16(&ip[kIpv4Fragment]) & kMoreFragmentsOrOffset) != 0)
      return std::unexpected(NoPacket::fragment);
    header.wire.peer.address = IpAddress::from_bytes(Family::ipv4, &ip[kIpv4Addresses]);
    header.wire.local.address = IpAddress::from_bytes(Family::ipv4, &ip[kIpv4Addresses + 4]);
    header.wire.tos = ip[1];
    header.wire.dont_fragment = (load_be16(&ip[kIpv4Fragment]) & kIpv4DontFragment) != 0;
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

// Over IPv4 without a checksum (RFC 3948 2.1); IPv6 asks for one.
void put_udp_header(std::span<std::uint8_t> udp, const WireAddress& wire,
                    const IpHeader& ip) noexcept {
  store_be16(&udp[0], wire.local.port);
  store_be16(&udp[2], wire.peer.port);
  store_be16(&udp[kUdpLength], static_cast<std::uint32_t>(udp.size()));
  store_be16(&udp[kUdpChecksum], 0);
  if (wire.local.address.family == Family::ipv4) return;
  const std::uint16_t checksum = upper_checksum(ip, udp);
  store_be16(&udp[kUdpChecksum], checksum == 0 ? 0xffffu : checksum);
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
  // What follows a datagram in its IP packet is no part of it (RFC 768; Linux cuts it off as well).
  const std::size_t length = load_be16(&header->payload[kUdpLength]);
  if (length < kUdpHeader || length > header->payload.size())
    return std::unexpected(NoPacket::not_esp);
  header->wire.peer.port = load_be16(&header->payload[0]);
  header->wire.local.port = load_be16(&header->payload[2]);
  const Bytes inside = header->payload.first(length).subspan(kUdpHeader);
  const bool marked = inside.size() < 4 || load_be32(inside.data()) == 0;  // IKE, or a keepalive
  if (header->wire.local.port != udp_port || marked) return std::unexpected(NoPacket::not_esp);
  return OuterPacket{inside, header->wire};
}

void prepend_outer_headers(Packet& packet, Encapsulation encapsulation) noexcept {
  const WireAddress& wire = packet.wire;
  const bool udp = encapsulation == Encapsulation::udp;
  const IpHeader ip{wire.local.address, wire.peer.address, udp ? kUdp : kEsp, wire.tos,
                    wire.dont_fragment};
  if (udp) {
    packet.offset -= kUdpHeader;
    packet.length += kUdpHeader;
    put_udp_header(packet.view(), wire, ip);
  }
  const std::uint32_t header = ip_header_bytes(wire.local.address.family);
  packet.offset -= header;
  write_ip_header(packet.data(), ip, packet.length);
  packet.length += header;
}

}  // namespace espalier::io
