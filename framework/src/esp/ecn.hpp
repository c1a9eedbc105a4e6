// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace espalier::esp {

inline constexpr std::uint8_t kEcnMask = 3;
inline constexpr std::uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kCongested = 3;  // RFC 3168 5

// The ECN field with which an inner packet leaves the tunnel, of that with which it came in and
// that of its outer header (RFC 6040 4.2, figure 4). Nothing: it must be dropped.
constexpr std::optional<std::uint8_t> leave_tunnel(std::uint8_t inner,
                                                   std::uint8_t outer) noexcept {
  if (outer == kCongested) {
    if (inner == kNotEct) return std::nullopt;
    return kCongested;
  }
  if (inner == kEct0 && outer == kEct1) return kEct1;
  return inner;
}

}  // namespace espalier::esp
