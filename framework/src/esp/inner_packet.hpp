// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace espalier::esp {

inline constexpr std::uint8_t kNextHeaderIpv4 = 4;
inline constexpr std::uint8_t kNextHeaderIpv6 = 41;
inline constexpr std::uint8_t kNextHeaderNone = 59;  // dummy packets (RFC 4303 2.6)

// What selectors look at, as five words that are hashed and compared as they are. Addresses are the
// packet's own bytes, IPv4 in the first four.
struct FlowKey {
  std::array<std::uint64_t, 2> source{};
  std::array<std::uint64_t, 2> destination{};
  std::uint64_t rest = 0;  // family, protocol, and ports (0 where the packet has none)

  // `ports` as they follow each other in the packet: the source's in the upper half.
  static constexpr std::uint64_t pack(Family family, std::uint8_t protocol,
                                      std::uint32_t ports) noexcept {
    return std::uint64_t(family) << 40 | std::uint64_t{protocol} << 32 | ports;
  }
  Family family() const noexcept { return static_cast<Family>(rest >> 40); }
  std::uint8_t protocol() const noexcept { return static_cast<std::uint8_t>(rest >> 32); }
  std::uint16_t source_port() const noexcept { return static_cast<std::uint16_t>(rest >> 16); }
  std::uint16_t destination_port() const noexcept { return static_cast<std::uint16_t>(rest); }

  friend bool operator==(const FlowKey& a, const FlowKey& b) noexcept {
    return ((a.source[0] ^ b.source[0]) | (a.source[1] ^ b.source[1]) |
            (a.destination[0] ^ b.destination[0]) | (a.destination[1] ^ b.destination[1]) |
            (a.rest ^ b.rest)) == 0;
  }
};

// An IPv4 or IPv6 packet that was found whole.
struct InnerPacket {
  FlowKey flow;
  std::uint32_t length = 0;   // by its own header; what follows in the buffer is not part of it
  std::uint8_t tos = 0;       // DSCP and ECN
  bool dont_fragment = true;  // IPv6 has no choice
  // Bytes of its IP header, if that is nothing but the header: no options or extension headers that
  // are meant for the way, and not of a fragment. Else 0.
  std::uint8_t plain_header = 0;
  std::uint8_t after_header = 0;  // what follows a plain header: its protocol or next header
};

// Checks version and lengths and reads the flow. Nothing if it is not a whole IP packet.
std::optional<InnerPacket> parse_inner(std::span<const std::uint8_t> packet) noexcept;

}  // namespace espalier::esp
