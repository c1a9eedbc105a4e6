// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/iv_source.hpp"
#include "esp/sa_state.hpp"

#include <optional>

namespace espalier::esp {

// Makes an inner packet into the ESP packet that a device will encrypt in place: in transport mode
// without its IP header, which becomes the outer one; sequence number (assigned here, law 4),
// header, IV, padding and trailer (RFC 4303 2), and the op. A drop reason instead if it cannot be
// sent; then no number was used and the packet is as it was.
std::optional<Drop> prepare_outbound(Slot& slot, OutboundSa& sa, const InnerPacket& inner,
                                     IvSource& ivs) noexcept;

// The length that senders of longer packets are told, where the path does not take these: what it
// takes, but never less than such a packet as every path has to be able to carry. Who would be told
// less need not obey (RFC 8201 4; Linux does not below 552 bytes).
std::uint32_t longest_asked_for(const OutboundSa& sa, Family inner) noexcept;

// Makes a dummy packet of slot.packet.length bytes (RFC 4303 2.6), in the same way.
std::optional<Drop> prepare_dummy(Slot& slot, OutboundSa& sa, IvSource& ivs) noexcept;

}  // namespace espalier::esp
