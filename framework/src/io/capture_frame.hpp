// SPDX-License-Identifier: Apache-2.0
//
// What stands around packets in a capture. Pure functions over bytes.
#pragma once

#include <espalier/packet.hpp>
#include <espalier/sa.hpp>

#include <cstdint>
#include <expected>
#include <span>

namespace espalier::io {

// Why a frame of a capture is none for the engine.
enum class NoPacket : std::uint8_t {
  truncated,        // the capture holds only its beginning
  not_ip,           // neither IPv4 nor IPv6, or shorter than it says
  not_esp,          // IP, but no ESP
  fragment,         // of an outer packet: captures are not put together again
  too_long,         // IPv6 with more than 65535 bytes in all
  other_direction,  // a packet of the tunnels, on its way back
  of_others,        // ESP that is not from or to this end
};
inline constexpr std::size_t kNoPacketKinds = std::size_t(NoPacket::of_others) + 1;

// Whether frames of this link type (DLT_…) can be read: Ethernet, Linux cooked, raw IP.
bool is_known_link(int link_type) noexcept;

// The IP packet in a frame, without what follows it. `length` is what the frame had on the wire.
std::expected<std::span<const std::uint8_t>, NoPacket> ip_packet_in(
    int link_type, std::span<const std::uint8_t> frame, std::uint32_t length) noexcept;

struct OuterPacket {
  std::span<const std::uint8_t> esp;
  WireAddress wire;  // as its receiver sees it
};

// The ESP packet in an IP packet: IP protocol 50, or UDP to `udp_port` (RFC 3948).
std::expected<OuterPacket, NoPacket> esp_packet_in(std::span<const std::uint8_t> ip,
                                                   std::uint16_t udp_port) noexcept;

// Puts outer headers before an ESP packet, in its headroom: from wire.local to wire.peer.
void prepend_outer_headers(Packet& packet, Encapsulation encapsulation) noexcept;

}  // namespace espalier::io
