// SPDX-License-Identifier: Apache-2.0
#include "esp/too_big.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ip_header.hpp"

namespace espalier::esp {

namespace {

constexpr std::uint32_t kIcmpHeader = 8;
constexpr std::uint8_t kIpv6Fragment = 44;
constexpr std::uint32_t kIpv6FragmentHeader = 8;
constexpr std::uint16_t kIpv6FragmentOffset = 0xfff8;
constexpr std::uint32_t kLongestAnswer4 = 576, kLongestAnswer6 = kMinIpv6Mtu;

IpAddress address(Family family, const std::array<std::uint64_t, 2>& words) noexcept {
  return IpAddress::from_bytes(family, reinterpret_cast<const std::uint8_t*>(words.data()));
}

bool multicast(const IpAddress& address) noexcept {
  return address.family == Family::ipv4 ? address.bytes[0] >= 224 : address.bytes[0] == 0xff;
}

// Of the ICMP message that a packet carries; `upper`: its payload.
bool is_icmp_error(const FlowKey& flow, std::span<const std::uint8_t> upper) noexcept {
  if (flow.family() == Family::ipv6) {
    return flow.protocol() == kIcmp6 && (upper.empty() || upper[0] < 128);
  }
  if (flow.protocol() != kIcmp) return false;
  return upper.empty() || upper[0] == 3 || upper[0] == 4 || upper[0] == 5 || upper[0] == 11 ||
         upper[0] == 12;
}

// Behind a fragment header alone the first fragment shows what it is; what stands behind other
// extension headers, or in a later fragment, is taken for an error: to be silent is never wrong.
bool may_be_icmp6_error(std::span<const std::uint8_t> packet) noexcept {
  constexpr std::uint32_t kType = kIpv6Header + kIpv6FragmentHeader;
  if (packet[kIpv6Next] != kIpv6Fragment || packet.size() <= kType) return true;
  const bool first = (load_be16(&packet[kIpv6Header + 2]) & kIpv6FragmentOffset) == 0;
  return !first || packet[kIpv6Header] != kIcmp6 || packet[kType] < 128;
}

bool may_be_answered(const Packet& packet, const InnerPacket& inner) noexcept {
  const Family family = inner.flow.family();
  if (multicast(address(family, inner.flow.source)) ||
      multicast(address(family, inner.flow.destination))) {
    return false;
  }
  const std::uint8_t* ip = packet.data();
  const bool ipv4 = family == Family::ipv4;
  if (ipv4 && (load_be16(ip + kIpv4Fragment) & kIpv4FragmentOffset) != 0) return false;
  if (!ipv4 && inner.after_header != inner.flow.protocol()) {
    return inner.flow.protocol() != kIcmp6 || !may_be_icmp6_error(packet.view());
  }
  const std::uint32_t header = ipv4 ? (ip[0] & 15u) * 4 : kIpv6Header;
  return !is_icmp_error(inner.flow, packet.view().subspan(header));
}

}  // namespace

bool answer_too_big(Packet& packet, const InnerPacket& inner, std::uint32_t mtu) noexcept {
  if (!may_be_answered(packet, inner)) return false;
  const Family family = inner.flow.family();
  const bool ipv4 = family == Family::ipv4;
  const std::uint32_t header = ip_header_bytes(family);
  const std::uint32_t longest = ipv4 ? kLongestAnswer4 : kLongestAnswer6;
  const std::uint32_t quoted = std::min(inner.length, longest - header - kIcmpHeader);

  packet.offset -= header + kIcmpHeader;
  packet.length = header + kIcmpHeader + quoted;
  std::uint8_t* icmp = packet.data() + header;
  store_be16(icmp, ipv4 ? 3 << 8 | 4 : 2 << 8);
  store_be16(icmp + 2, 0);
  store_be32(icmp + 4, ipv4 ? mtu & 0xffff : std::max(mtu, kMinIpv6Mtu));

  const IpHeader ip{address(family, inner.flow.destination), address(family, inner.flow.source),
                    ipv4 ? kIcmp : kIcmp6, 0, true};
  const auto message = packet.view().subspan(header);
  if (ipv4) {
    store_be16(icmp + 2, checksum_of(sum_words(message)));
  } else {
    store_be16(icmp + 2, upper_checksum(ip, message));
  }
  write_ip_header(packet.data(), ip, kIcmpHeader + quoted);
  return true;
}

}  // namespace espalier::esp
