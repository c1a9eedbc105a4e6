// SPDX-License-Identifier: Apache-2.0
//
// Fields of IP, TCP and UDP headers at their offsets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace espalier::io {

inline constexpr std::uint8_t kTcp = 6, kUdp = 17;  // IP protocol numbers

inline constexpr std::size_t kIpv4Length = 2, kIpv4Id = 4, kIpv4Fragment = 6, kIpv4Ttl = 8,
                             kIpv4Protocol = 9, kIpv4Checksum = 10, kIpv4Addresses = 12,
                             kIpv4Header = 20;
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::size_t kIpv6Length = 4, kIpv6Next = 6, kIpv6HopLimit = 7, kIpv6Addresses = 8,
                             kIpv6Header = 40;
inline constexpr std::size_t kTcpSequence = 4, kTcpAcknowledgement = 8, kTcpOffset = 12,
                             kTcpFlags = 13, kTcpWindow = 14, kTcpChecksum = 16, kTcpHeader = 20;
inline constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32,
                              kEce = 64, kCwr = 128;
inline constexpr std::size_t kUdpLength = 4, kUdpChecksum = 6, kUdpHeader = 8;

inline std::uint16_t load16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
inline std::uint32_t load32(const std::uint8_t* p) noexcept {
  return std::uint32_t{load16(p)} << 16 | load16(p + 2);
}
inline void store16(std::uint8_t* p, std::uint32_t value) noexcept {
  p[0] = static_cast<std::uint8_t>(value >> 8);
  p[1] = static_cast<std::uint8_t>(value);
}
inline void store32(std::uint8_t* p, std::uint32_t value) noexcept {
  store16(p, value >> 16);
  store16(p + 2, value);
}

}  // namespace espalier::io
