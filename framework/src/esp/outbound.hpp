// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/iv_source.hpp"
#include "esp/sa_state.hpp"

#include <optional>

namespace espalier::esp {

// Makes an inner packet into the ESP packet that a device will encrypt in place: sequence number
// (assigned here, law 4), header, IV, padding and trailer (RFC 4303 2), and the op. A drop reason
// instead if it cannot be sent; then no number was used.
std::optional<Drop> prepare_outbound(Slot& slot, OutboundSa& sa, const InnerPacket& inner,
                                     IvSource& ivs) noexcept;

}  // namespace espalier::esp
