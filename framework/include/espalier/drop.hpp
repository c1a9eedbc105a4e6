// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace espalier {

// Why a packet was dropped. One counter each; names in metrics and reports are to_string()'s, and
// where the kernel counts the same thing in /proc/net/xfrm_stat, xfrm_name() says as what.
enum class Drop : std::uint8_t {
  // inbound
  in_truncated,      // too short for ESP, or for the SA's transform
  in_oversized,      // longer than the SA's device takes
  in_misaligned,     // not a whole number of the cipher's blocks
  in_no_state,       // unknown SPI
  in_sequence_zero,  // sequence number 0 is never sent (RFC 4303 2.2)
  in_replay,         // seen before, or left of the window
  in_bad_icv,        // forged, corrupted, or of another key
  in_bad_padding,    // authentic, but its padding is not 1, 2, 3, ... (RFC 4303 2.4)
  in_next_header,    // authentic, but tunnel mode carries no such protocol
  in_bad_inner,      // authentic, but the inner packet is not a whole IPv4 or IPv6 packet
  in_selector,       // authentic, but not covered by the SA's traffic selectors (RFC 4301 5.2)
  in_dummy,          // next header 59: traffic flow confidentiality, dropped silently
  in_congestion,     // marked as congested, and its sender knows no ECN (RFC 6040 4.2)
  in_expired,        // the SA's hard lifetime is over
  // outbound
  out_not_ip,        // neither IPv4 nor IPv6, or cut short
  out_no_policy,     // no SA protects it
  out_sequence_end,  // the SA's last number is used: rekey
  out_too_long,      // would not fit an ESP packet
  out_too_big,       // over the path MTU and not to be fragmented; the sender is told
  out_transport,     // a fragment, or has IP options or extension headers: not for transport mode
  out_expired,       // the SA's hard lifetime is over
  // either
  device_failed,  // the device accepted it and failed; its number is burnt
  device_lost,    // in flight when the device was lost; its number is burnt
  queue_full,     // an asynchronous device had no room
  send_failed,    // the system did not take it
};
inline constexpr std::size_t kDropKinds = std::size_t(Drop::send_failed) + 1;
using DropCounts = std::array<std::uint64_t, kDropKinds>;

std::string_view to_string(Drop drop) noexcept;  // "in_bad_icv"
std::string_view xfrm_name(Drop drop) noexcept;  // "XfrmInStateProtoError", or ""

}  // namespace espalier
