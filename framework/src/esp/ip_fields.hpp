// SPDX-License-Identifier: Apache-2.0
//
// Fields of IP, TCP and UDP headers at their offsets.
#pragma once

#include <cstdint>

namespace espalier::esp {

// IP protocol numbers.
inline constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kEsp = 50, kIcmp6 = 58;

inline constexpr std::uint32_t kIpv4Length = 2, kIpv4Id = 4, kIpv4Fragment = 6, kIpv4Ttl = 8,
                               kIpv4Protocol = 9, kIpv4Checksum = 10, kIpv4Addresses = 12,
                               kIpv4Header = 20;
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000, kIpv4MoreFragments = 0x2000,
                               kIpv4FragmentOffset = 0x1fff;
inline constexpr std::uint32_t kIpv6Length = 4, kIpv6Next = 6, kIpv6HopLimit = 7,
                               kIpv6Addresses = 8, kIpv6Header = 40;
inline constexpr std::uint32_t kMinIpv6Mtu = 1280;  // every path takes it (RFC 8200 5)
inline constexpr std::uint32_t kTcpSequence = 4, kTcpAcknowledgement = 8, kTcpOffset = 12,
                               kTcpFlags = 13, kTcpWindow = 14, kTcpChecksum = 16, kTcpUrgent = 18,
                               kTcpHeader = 20;
inline constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32,
                              kEce = 64, kCwr = 128;
inline constexpr std::uint32_t kUdpLength = 4, kUdpChecksum = 6, kUdpHeader = 8;

}  // namespace espalier::esp
