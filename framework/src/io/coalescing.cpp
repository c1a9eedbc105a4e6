// SPDX-License-Identifier: Apache-2.0
#include "io/coalescing.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ip_fields.hpp"

#include <algorithm>
#include <cstring>

namespace espalier::io {

using namespace esp;

namespace {

constexpr std::size_t kLongest = 65535;  // what IPv4 can say
constexpr std::uint8_t kEndsRun = kFin | kPsh;

// Where the headers of a TCP or UDP packet end; headers == 0: of any other packet.
struct Layout {
  bool v4 = false;
  bool tcp = false;
  std::size_t transport = 0;
  std::size_t headers = 0;
};

// Only packets of the simplest shape: whole, no IP options or extension headers, no fragments.
Layout layout_of(std::span<const std::uint8_t> packet) noexcept {
  Layout layout;
  if (packet.size() < kIpv4Header) return {};
  layout.v4 = packet[0] == 0x45;
  if (layout.v4) {
    const bool fragment = (load_be16(&packet[kIpv4Fragment]) & ~kIpv4DontFragment) != 0;
    if (fragment || load_be16(&packet[kIpv4Length]) != packet.size()) return {};
    layout.transport = kIpv4Header;
  } else {
    if (packet[0] >> 4 != 6 || packet.size() < kIpv6Header) return {};
    if (load_be16(&packet[kIpv6Length]) + kIpv6Header != packet.size()) return {};
    layout.transport = kIpv6Header;
  }
  const std::uint8_t protocol = packet[layout.v4 ? kIpv4Protocol : kIpv6Next];
  if (protocol != kTcp && protocol != kUdp) return {};
  layout.tcp = protocol == kTcp;
  const auto transport = packet.subspan(layout.transport);
  if (transport.size() < (layout.tcp ? kTcpHeader : kUdpHeader)) return {};
  const std::size_t header = layout.tcp ? (transport[kTcpOffset] >> 4) * 4u : kUdpHeader;
  if (layout.tcp && header < kTcpHeader) return {};
  if (!layout.tcp && load_be16(&transport[kUdpLength]) != transport.size()) return {};
  if (transport.size() <= header) return {};  // nothing to join
  layout.headers = layout.transport + header;
  return layout;
}

std::span<const std::uint8_t> addresses(std::span<const std::uint8_t> packet,
                                        const Layout& layout) noexcept {
  return layout.v4 ? packet.subspan(kIpv4Addresses, 8) : packet.subspan(kIpv6Addresses, 32);
}

std::uint64_t pseudo_header(std::span<const std::uint8_t> packet, const Layout& layout,
                            std::size_t length) noexcept {
  return sum_pseudo_header(addresses(packet, layout), layout.tcp ? kTcp : kUdp,
                           static_cast<std::uint32_t>(length));
}

bool has_right_checksums(std::span<const std::uint8_t> packet, const Layout& layout) noexcept {
  constexpr std::uint16_t kRight = 0xffff;
  if (layout.v4 && fold(sum_words(packet.first(kIpv4Header))) != kRight) return false;
  const auto transport = packet.subspan(layout.transport);
  if (!layout.tcp && load_be16(&transport[kUdpChecksum]) == 0) return false;  // it has none
  return fold(pseudo_header(packet, layout, transport.size()) + sum_words(transport)) == kRight;
}

bool same(const std::uint8_t* a, const std::uint8_t* b, std::size_t offset,
          std::size_t length) noexcept {
  return std::memcmp(a + offset, b + offset, length) == 0;
}

// Cutting a packet numbers the segments one by one; in what may not be fragmented the number means
// nothing (RFC 6864 4.1), and some senders leave it as it is.
bool follows_ipv4_id(const std::uint8_t* first, const std::uint8_t* next,
                     std::size_t index) noexcept {
  const auto distance =
      static_cast<std::uint16_t>(load_be16(next + kIpv4Id) - load_be16(first + kIpv4Id));
  const bool atomic = (load_be16(first + kIpv4Fragment) & kIpv4DontFragment) != 0;
  return distance == index || (atomic && distance == 0);
}

bool same_ip(const std::uint8_t* first, const std::uint8_t* next, bool v4,
             std::size_t index) noexcept {
  if (v4)
    return same(first, next, 0, 2) && same(first, next, kIpv4Fragment, 4) &&
           same(first, next, kIpv4Addresses, 8) && follows_ipv4_id(first, next, index);
  return same(first, next, 0, 4) && same(first, next, kIpv6Next, 34);
}

bool same_tcp(const std::uint8_t* first, const std::uint8_t* next, std::size_t header,
              std::size_t payload_before) noexcept {
  const std::uint32_t expected =
      load_be32(first + kTcpSequence) + static_cast<std::uint32_t>(payload_before);
  const auto flags = [](const std::uint8_t* tcp) {
    return static_cast<std::uint8_t>(tcp[kTcpFlags] & ~(kEndsRun | kCwr));
  };
  return same(first, next, 0, 4) && load_be32(next + kTcpSequence) == expected &&
         same(first, next, kTcpAcknowledgement, 5) && flags(first) == flags(next) &&
         (next[kTcpFlags] & kCwr) == 0 && same(first, next, kTcpWindow, 2) &&
         same(first, next, kTcpUrgent, header - kTcpUrgent);
}

// A run as it grows: what the next packet has to be like.
struct Run {
  std::span<const std::uint8_t> first;
  Layout layout;
  std::size_t payload;  // of each packet but the last
  std::size_t count = 1;
  std::size_t length;  // of the large packet

  explicit Run(std::span<const std::uint8_t> packet)
      : first(packet),
        layout(layout_of(packet)),
        payload(packet.size() - layout.headers),
        length(packet.size()) {}

  bool can_begin(bool udp) const noexcept {
    if (layout.headers == 0) return false;
    if (!layout.tcp) return udp;
    const std::uint8_t flags = first[layout.transport + kTcpFlags];
    return (flags & ~(kEce | kCwr)) == kAck;  // FIN and PSH would end it here
  }

  bool takes(std::span<const std::uint8_t> next) const noexcept {
    const Layout its = layout_of(next);
    if (its.headers != layout.headers || its.tcp != layout.tcp || its.v4 != layout.v4) return false;
    const std::size_t more = next.size() - its.headers;
    if (more > payload || length + more > kLongest) return false;
    if (!same_ip(first.data(), next.data(), layout.v4, count)) return false;
    const std::uint8_t* a = first.data() + layout.transport;
    const std::uint8_t* b = next.data() + layout.transport;
    const std::size_t header = layout.headers - layout.transport;
    if (layout.tcp ? !same_tcp(a, b, header, count * payload) : !same(a, b, 0, 4)) return false;
    return has_right_checksums(next, its);
  }

  // Whether nothing may follow this packet, which is the last so far.
  bool ends_with(std::span<const std::uint8_t> packet) const noexcept {
    if (packet.size() - layout.headers < payload) return true;
    return layout.tcp && (packet[layout.transport + kTcpFlags] & kEndsRun) != 0;
  }
};

void write_ip_length(std::span<std::uint8_t> packet, bool v4, std::size_t length) noexcept {
  if (!v4)
    return store_be16(&packet[kIpv6Length], static_cast<std::uint32_t>(length - kIpv6Header));
  store_be16(&packet[kIpv4Length], static_cast<std::uint32_t>(length));
  store_be16(&packet[kIpv4Checksum], 0);
  store_be16(&packet[kIpv4Checksum], checksum_of(sum_words(packet.first(kIpv4Header))));
}

}  // namespace

std::size_t count_joinable(std::span<Packet* const> packets, bool udp) noexcept {
  Run run(packets.front()->view());
  if (packets.size() == 1 || !run.can_begin(udp)) return 1;
  while (run.count < std::min(packets.size(), kMostJoined)) {
    const auto next = packets[run.count]->view();
    if (!run.takes(next)) break;
    if (run.count == 1 && !has_right_checksums(run.first, run.layout)) return 1;
    ++run.count;
    run.length += next.size() - run.layout.headers;
    if (run.ends_with(next)) break;
  }
  return run.count;
}

VirtioHeader join(std::span<Packet* const> packets) noexcept {
  if (packets.size() == 1) return {};
  const auto first = packets.front()->view();
  const auto last = packets.back()->view();
  const Layout layout = layout_of(first);
  const std::size_t payload = first.size() - layout.headers;
  const std::size_t length =
      layout.headers + payload * (packets.size() - 1) + last.size() - layout.headers;
  write_ip_length(first, layout.v4, length);

  const auto transport = first.subspan(layout.transport);
  VirtioHeader header{.flags = VirtioHeader::kNeedsChecksum,
                      .gso_type = VirtioHeader::kGsoUdp,
                      .header_length = static_cast<std::uint16_t>(layout.headers),
                      .gso_size = static_cast<std::uint16_t>(payload),
                      .checksum_start = static_cast<std::uint16_t>(layout.transport),
                      .checksum_offset = kUdpChecksum};
  if (layout.tcp) {
    const auto ends = last[layout.transport + kTcpFlags] & kEndsRun;
    transport[kTcpFlags] = static_cast<std::uint8_t>(transport[kTcpFlags] | ends);
    header.gso_type = layout.v4 ? VirtioHeader::kGsoTcp4 : VirtioHeader::kGsoTcp6;
    if ((transport[kTcpFlags] & kCwr) != 0) header.gso_type |= VirtioHeader::kGsoEcn;
    header.checksum_offset = kTcpChecksum;
  } else {
    store_be16(&transport[kUdpLength], static_cast<std::uint32_t>(length - layout.transport));
  }
  const std::uint16_t partial = fold(pseudo_header(first, layout, length - layout.transport));
  std::memcpy(&transport[header.checksum_offset], &partial, sizeof partial);
  return header;
}

}  // namespace espalier::io
