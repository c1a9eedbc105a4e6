// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace espalier::esp {

inline constexpr std::uint8_t kNextHeaderIpv4 = 4;
inline constexpr std::uint8_t kNextHeaderIpv6 = 41;
inline constexpr std::uint8_t kNextHeaderNone = 59;  // dummy packets (RFC 4303 2.6)

// What selectors look at, in a form that is hashed and compared as plain memory. Ports in host
// byte order, 0 where the packet has none (other protocols, later fragments).
struct FlowKey {
  std::uint8_t source[16]{};
  std::uint8_t destination[16]{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t protocol = 0;
  Family family = Family::ipv4;
  std::uint16_t zero = 0;

  friend bool operator==(const FlowKey& a, const FlowKey& b) noexcept {
    return std::memcmp(&a, &b, sizeof(FlowKey)) == 0;
  }
};
static_assert(sizeof(FlowKey) == 40);

// An IPv4 or IPv6 packet that was found whole.
struct InnerPacket {
  FlowKey flow;
  std::uint32_t length = 0;  // by its own header; what follows in the buffer is not part of it
  std::uint8_t tos = 0;      // DSCP and ECN
};

// Checks version and lengths and reads the flow. Nothing if it is not a whole IP packet.
std::optional<InnerPacket> parse_inner(std::span<const std::uint8_t> packet) noexcept;

}  // namespace espalier::esp
