// SPDX-License-Identifier: Apache-2.0
#include "esp/inbound.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ecn.hpp"
#include "esp/ip_fields.hpp"
#include "esp/transport.hpp"

#include <cstring>

namespace espalier::esp {

namespace {

// Whether the `padding` bytes before `end` are 1, 2, 3, … (RFC 4303 2.4). Up to 7 bytes, which is
// what most transforms need, are compared at once: they have the ESP header before them.
bool padded_well(const std::uint8_t* end, std::uint32_t padding) noexcept {
  if (padding == 0) return true;
  if (padding < 8) {
    std::uint64_t before;
    std::memcpy(&before, end - sizeof(before), sizeof(before));
    const std::uint32_t others = 64 - 8 * padding;  // bits
    return before >> others == (0x07060504030201 & ~std::uint64_t{0} >> others);
  }
  for (std::uint32_t i = 0; i < padding; ++i) {
    if (*(end - padding + i) != i + 1) return false;
  }
  return true;
}

// The length of the payload before padding, or nothing if the padding is not what it must be.
std::optional<std::uint32_t> strip_padding(std::span<const std::uint8_t> body) noexcept {
  const std::uint32_t padding = body[body.size() - 2];
  const std::size_t payload = body.size() - kEspTrailer - padding;
  if (padding + kEspTrailer > body.size()) return std::nullopt;
  if (!padded_well(body.data() + body.size() - kEspTrailer, padding)) return std::nullopt;
  return static_cast<std::uint32_t>(payload);
}

bool covered(const InboundSa& sa, const FlowKey& flow) noexcept {
  for (const SelectorMatch& selector : sa.selectors) {
    if (selector.matches(flow)) return true;
  }
  return false;
}

// Writes another traffic class into an IP header.
[[gnu::noinline]] void change_tos(std::uint8_t* ip, Family family, std::uint8_t tos) noexcept {
  if (family == Family::ipv6) {
    ip[0] = static_cast<std::uint8_t>((ip[0] & 0xf0) | tos >> 4);
    ip[1] = static_cast<std::uint8_t>((ip[1] & 0x0f) | tos << 4);
    return;
  }
  const std::uint16_t before = load_be16(ip);
  ip[1] = tos;
  store_be16(ip + kIpv4Checksum,
             updated_checksum(load_be16(ip + kIpv4Checksum), before, load_be16(ip)));
}

// RFC 6040 4.2. False: the packet must be dropped.
bool take_congestion_mark(Packet& packet, const InnerPacket& inner) noexcept {
  const auto before = static_cast<std::uint8_t>(inner.tos & kEcnMask);
  const auto ecn = leave_tunnel(before, packet.wire.tos & kEcnMask);
  if (!ecn) return false;
  if (*ecn != before) {
    const auto tos = static_cast<std::uint8_t>((inner.tos & ~kEcnMask) | *ecn);
    change_tos(packet.data(), inner.flow.family(), tos);
  }
  return true;
}

}  // namespace

std::optional<Drop> prepare_inbound(Slot& slot, InboundSa& sa) noexcept {
  const Packet& packet = slot.packet;
  const EspLayout& layout = sa.layout;
  if (packet.length < layout.min_length()) return Drop::in_truncated;
  if (packet.length > sa.binding->max_length) return Drop::in_oversized;
  const std::uint32_t body = packet.length - layout.header_bytes() - layout.icv_bytes;
  if ((body & (layout.block_bytes - 1u)) != 0) return Drop::in_misaligned;

  std::uint8_t* esp = packet.data();
  const std::uint32_t low = load_be32(esp + 4);
  std::uint64_t sequence = low;
  if (sa.esn) {
    const auto inferred = infer_sequence(low, sa.window.top(), sa.window.size());
    if (!inferred) return Drop::in_replay;
    sequence = *inferred;
  }
  if (sequence == 0) return Drop::in_sequence_zero;
  if (!sa.window.acceptable(sequence)) return Drop::in_replay;

  slot.sa = &sa;
  slot.sequence = sequence;
  slot.op.esp = esp;
  slot.op.length = packet.length;
  slot.op.icv_offset = packet.length - layout.icv_bytes;
  slot.op.seq_hi = sa.esn ? static_cast<std::uint32_t>(sequence >> 32) : 0;
  return std::nullopt;
}

std::optional<Drop> finish_inbound(Slot& slot, InboundSa& sa) noexcept {
  if (!sa.window.accept(slot.sequence)) return Drop::in_replay;
  sa.sequence.set(sa.window.top());

  Packet& packet = slot.packet;
  const std::uint32_t header = sa.layout.header_bytes();
  const auto body = packet.view().subspan(header, slot.op.icv_offset - header);
  const std::uint8_t next_header = body.back();
  const auto payload = strip_padding(body);
  if (!payload) return Drop::in_bad_padding;
  if (next_header == kNextHeaderNone) return Drop::in_dummy;
  packet.offset += header;
  packet.length = *payload;
  auto family = sa.spec.family();
  if (sa.transport) {
    restore_ip_header(packet, sa, next_header);
  } else if (next_header == kNextHeaderIpv4 || next_header == kNextHeaderIpv6) {
    family = next_header == kNextHeaderIpv4 ? Family::ipv4 : Family::ipv6;
  } else {
    return Drop::in_next_header;
  }
  const auto inner = parse_inner(packet.view());
  if (!inner || inner->flow.family() != family) return Drop::in_bad_inner;
  if (!covered(sa, inner->flow)) return Drop::in_selector;
  packet.length = inner->length;
  if (!sa.transport && !take_congestion_mark(packet, *inner)) return Drop::in_congestion;
  return std::nullopt;
}

}  // namespace espalier::esp
