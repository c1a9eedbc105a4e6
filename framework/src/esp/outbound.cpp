// SPDX-License-Identifier: Apache-2.0
#include "esp/outbound.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_fields.hpp"

#include <algorithm>

namespace espalier::esp {

namespace {

// 1, 2, 3, … (RFC 4303 2.4), as much as the largest block can ask for.
constexpr std::array<std::uint8_t, 16> kPadding{1, 2,  3,  4,  5,  6,  7,  8,
                                                9, 10, 11, 12, 13, 14, 15, 16};

// Copies all of kPadding, whatever the length: the tailroom is there, and a fixed size is fast.
void write_trailer(std::uint8_t* end, std::uint32_t padding, std::uint8_t next_header) noexcept {
  std::memcpy(end, kPadding.data(), kPadding.size());
  end[padding] = static_cast<std::uint8_t>(padding);
  end[padding + 1] = next_header;
}

// Seals the payload in slot.packet, which comes after the header that is no part of it.
std::optional<Drop> seal(Slot& slot, OutboundSa& sa, std::uint32_t stripped,
                         std::uint8_t next_header, IvSource& ivs) noexcept {
  Packet& packet = slot.packet;
  const EspLayout& layout = sa.layout;
  const std::uint32_t payload = packet.length - stripped;
  const std::uint32_t padding = layout.padding(payload);
  const std::uint32_t header = layout.header_bytes();
  const std::uint32_t icv_offset = header + payload + padding + kEspTrailer;
  const std::uint32_t length = icv_offset + layout.icv_bytes;
  if (length > sa.binding->max_length) return Drop::out_too_long;
  if (sa.counter.ended()) return Drop::out_sequence_end;

  write_trailer(packet.data() + packet.length, padding, next_header);
  const std::uint64_t sequence = sa.counter.take();
  slot.inner_length = packet.length;
  sa.bytes_sealed += packet.length;
  packet.offset += stripped - header;
  packet.length = length;
  std::uint8_t* esp = packet.data();
  store_be32(esp, sa.spi);
  store_be32(esp + 4, static_cast<std::uint32_t>(sequence));
  if (layout.counter_iv) {
    store_be64(esp + kEspHeader, sequence);
  } else if (layout.iv_bytes > 0) {
    ivs.fill(esp + kEspHeader, layout.iv_bytes);
  }

  packet.wire.local = sa.spec.local;
  packet.wire.peer = sa.peer();
  slot.sa = &sa;
  slot.sequence = sequence;
  slot.op.esp = esp;
  slot.op.length = length;
  slot.op.icv_offset = icv_offset;
  slot.op.seq_hi = sa.esn ? static_cast<std::uint32_t>(sequence >> 32) : 0;
  sa.sequence.set(sequence);
  return std::nullopt;
}

bool keep_whole(const OutboundSa& sa, const InnerPacket& inner) noexcept {
  using enum OuterHeader::DontFragment;
  return sa.dont_fragment == copy ? inner.dont_fragment : sa.dont_fragment == set;
}

// Whether the sender of a packet that is longer than the path takes is to send shorter ones. If
// not, the packet may be fragmented on the way, whatever its DF says.
bool must_be_refused(const OutboundSa& sa, const InnerPacket& inner) noexcept {
  return inner.dont_fragment && inner.length > longest_asked_for(sa, inner.flow.family());
}

}  // namespace

std::uint32_t longest_asked_for(const OutboundSa& sa, Family inner) noexcept {
  const std::uint32_t least =
      inner == Family::ipv6 ? kMinIpv6Mtu
                            : longest_inner(sa.spec, sa.layout, least_path_mtu(sa.spec.family()));
  return std::max(sa.longest, least);
}

std::optional<Drop> prepare_outbound(Slot& slot, OutboundSa& sa, const InnerPacket& inner,
                                     IvSource& ivs) noexcept {
  std::uint32_t stripped = 0;
  std::uint8_t next_header =
      inner.flow.family() == Family::ipv4 ? kNextHeaderIpv4 : kNextHeaderIpv6;
  if (sa.transport) {
    const bool seems_a_dummy = inner.after_header == kNextHeaderNone;  // to the peer
    if (inner.plain_header == 0 || seems_a_dummy) return Drop::out_transport;
    stripped = inner.plain_header;
    next_header = inner.after_header;
  }
  bool dont_fragment = keep_whole(sa, inner);
  if (dont_fragment && inner.length > sa.longest) {
    if (must_be_refused(sa, inner)) return Drop::out_too_big;
    dont_fragment = false;
  }
  WireAddress& wire = slot.packet.wire;
  wire.tos = static_cast<std::uint8_t>((inner.tos & sa.kept_tos) | sa.set_tos);
  wire.dont_fragment = dont_fragment;
  slot.packet.length = inner.length;  // what follows it in the buffer is no part of it
  return seal(slot, sa, stripped, next_header, ivs);
}

std::optional<Drop> prepare_dummy(Slot& slot, OutboundSa& sa, IvSource& ivs) noexcept {
  slot.packet.wire.tos = sa.set_tos;
  slot.packet.wire.dont_fragment = true;
  return seal(slot, sa, 0, kNextHeaderNone, ivs);
}

}  // namespace espalier::esp
