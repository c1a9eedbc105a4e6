// SPDX-License-Identifier: Apache-2.0
#include "esp/checksum.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace espalier::esp {

static_assert(std::endian::native == std::endian::little, "written for little-endian machines");

std::uint64_t sum_words(std::span<const std::uint8_t> bytes) noexcept {
  constexpr std::size_t kBlock = 32;
  std::array<std::uint64_t, kBlock / 4> lanes{};  // independent, for the compiler's vectors
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kBlock; left -= kBlock, at += kBlock) {
    std::array<std::uint32_t, kBlock / 4> words;
    std::memcpy(words.data(), at, kBlock);
    for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i] += words[i];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) sum += lane;
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  std::uint32_t last = 0;  // an odd byte counts as if a zero followed it
  if (left > 0) std::memcpy(&last, at, left);
  return sum + last;
}

std::uint64_t sum_pseudo_header(std::span<const std::uint8_t> addresses, std::uint8_t protocol,
                                std::uint32_t length) noexcept {
  return sum_words(addresses) + word_of(protocol) + word_of(static_cast<std::uint16_t>(length)) +
         word_of(static_cast<std::uint16_t>(length >> 16));
}

}  // namespace espalier::esp
