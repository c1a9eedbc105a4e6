// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>

namespace espalier::esp {

inline constexpr std::uint32_t kEspHeader = 8;         // SPI and low sequence bits (RFC 4303 2)
inline constexpr std::uint32_t kEspTrailer = 2;        // pad length and next header
inline constexpr std::uint32_t kMaxEspPacket = 65507;  // what one UDP datagram over IPv4 carries

// Where things are in the ESP packets of a transform, in bytes.
struct EspLayout {
  std::uint8_t iv_bytes = 0;
  std::uint8_t block_bytes = 4;
  std::uint8_t icv_bytes = 0;
  bool counter_iv = false;  // the IV is the sequence number; else it is random

  std::uint32_t header_bytes() const noexcept { return kEspHeader + iv_bytes; }
  std::uint32_t min_length() const noexcept { return header_bytes() + block_bytes + icv_bytes; }
  // Padding after `payload` bytes, so that payload, padding and trailer fill whole blocks.
  std::uint32_t padding(std::uint32_t payload) const noexcept {
    return (0u - (payload + kEspTrailer)) & (block_bytes - 1u);
  }
};

Result<EspLayout> layout_of(const Transform& transform);

// The longest inner packet whose ESP packet is an IP packet of at most `path_mtu` bytes; 0 if there
// is none. All that counts of the SA are its ends, mode and encapsulation.
std::uint32_t longest_inner(const SaSpec& sa, const EspLayout& layout,
                            std::uint32_t path_mtu) noexcept;

// What an engine believes a path to take at the least, since whoever says less may have forged it:
// what every host receives (RFC 791 3.1), and every path takes (RFC 8200 5).
std::uint32_t least_path_mtu(Family family) noexcept;

}  // namespace espalier::esp
