// SPDX-License-Identifier: Apache-2.0
#include "esp/outbound.hpp"

#include "esp/bytes.hpp"

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

}  // namespace

std::optional<Drop> prepare_outbound(Slot& slot, OutboundSa& sa, const InnerPacket& inner,
                                     IvSource& ivs) noexcept {
  const EspLayout& layout = sa.layout;
  const std::uint32_t padding = layout.padding(inner.length);
  const std::uint32_t header = layout.header_bytes();
  const std::uint32_t icv_offset = header + inner.length + padding + kEspTrailer;
  const std::uint32_t length = icv_offset + layout.icv_bytes;
  if (length > sa.binding->max_length) return Drop::out_too_long;
  if (sa.counter.ended()) return Drop::out_sequence_end;

  Packet& packet = slot.packet;
  const bool ipv4 = inner.flow.family() == Family::ipv4;
  write_trailer(packet.data() + inner.length, padding, ipv4 ? kNextHeaderIpv4 : kNextHeaderIpv6);

  const std::uint64_t sequence = sa.counter.take();
  packet.offset -= header;
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
  packet.wire.peer = sa.spec.peer;
  packet.wire.tos = inner.tos & 0xfc;  // DSCP; no ECN, since the far end might not carry it back
  packet.wire.dont_fragment = true;
  slot.sa = &sa;
  slot.sequence = sequence;
  slot.inner_length = inner.length;
  slot.op.esp = esp;
  slot.op.length = length;
  slot.op.icv_offset = icv_offset;
  slot.op.seq_hi = sa.esn ? static_cast<std::uint32_t>(sequence >> 32) : 0;
  sa.sequence.set(sequence);
  return std::nullopt;
}

}  // namespace espalier::esp
