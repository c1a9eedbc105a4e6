// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier::io {

// The Internet checksum (RFC 1071) of bytes as they lie in memory. Sums are of 16-bit words in
// memory order, so that a folded sum stored as it is is in network order; they may be added up in
// any order, as long as only the last piece has an odd length.
std::uint64_t sum_words(std::span<const std::uint8_t> bytes) noexcept;

// 16 bits, carries added in; not complemented.
constexpr std::uint16_t fold(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// A 16-bit number of the host as a word of a sum.
constexpr std::uint16_t word_of(std::uint16_t number) noexcept { return __builtin_bswap16(number); }

// The pseudo-header of TCP and UDP: addresses as they follow each other in the IP header, the
// protocol, and the length of transport header and payload.
std::uint64_t sum_pseudo_header(std::span<const std::uint8_t> addresses, std::uint8_t protocol,
                                std::uint32_t length) noexcept;

}  // namespace espalier::io
