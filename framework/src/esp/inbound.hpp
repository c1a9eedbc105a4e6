// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/sa_state.hpp"

#include <optional>

namespace espalier::esp {

// The part before the device: lengths, the sequence number (inferred once and carried along, RFC
// 4303 appendix A2), the early replay check, and the op. Changes no state of the SA. A drop reason
// instead if the packet need not be looked at further.
std::optional<Drop> prepare_inbound(Slot& slot, InboundSa& sa) noexcept;

// The part after the device said that the ICV is right: the authoritative replay update, padding
// and next header, the IP header that transport mode took away, the SA's traffic selectors (RFC
// 4301 5.2), and the congestion mark of the outer header. Leaves the inner packet in slot.packet,
// or gives why it is dropped. To be called in the order of arrival (law 4).
std::optional<Drop> finish_inbound(Slot& slot, InboundSa& sa) noexcept;

}  // namespace espalier::esp
