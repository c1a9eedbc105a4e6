// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier::esp {

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

// What is written into a header, as a number of the host.
inline std::uint16_t checksum_of(std::uint64_t sum) noexcept {
  return __builtin_bswap16(static_cast<std::uint16_t>(~fold(sum)));
}

// A header's checksum after one 16-bit word of it has changed (RFC 1624, equation 3).
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before,
                                         std::uint16_t after) noexcept {
  return static_cast<std::uint16_t>(~fold(std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                                          static_cast<std::uint16_t>(~before) + after));
}

// A 16-bit number of the host as a word of a sum.
constexpr std::uint16_t word_of(std::uint16_t number) noexcept { return __builtin_bswap16(number); }

// The pseudo-header of TCP and UDP: addresses as they follow each other in the IP header, the
// protocol, and the length of transport header and payload.
std::uint64_t sum_pseudo_header(std::span<const std::uint8_t> addresses, std::uint8_t protocol,
                                std::uint32_t length) noexcept;

}  // namespace espalier::esp
