// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/bytes.hpp"

#include <cstddef>
#include <span>

namespace espalier::esp {

// The Internet checksum (RFC 1071) as a running sum: bytes are added in order, each piece but the
// last of even length.
class InternetChecksum {
 public:
  void add(std::span<const std::uint8_t> bytes) noexcept {
    std::size_t i = 0;
    for (; i + 4 <= bytes.size(); i += 4) sum_ += load_be32(bytes.data() + i);
    if (i + 2 <= bytes.size()) {
      sum_ += load_be16(bytes.data() + i);
      i += 2;
    }
    if (i < bytes.size()) sum_ += std::uint32_t{bytes[i]} << 8;
  }
  void add(std::uint32_t word) noexcept { sum_ += word; }

  // What is written into the header.
  std::uint16_t value() const noexcept {
    std::uint64_t folded = sum_;
    while (folded > 0xffff) folded = (folded & 0xffff) + (folded >> 16);
    return static_cast<std::uint16_t>(~folded);
  }

 private:
  std::uint64_t sum_ = 0;
};

// A header's checksum after one 16-bit word of it has changed (RFC 1624, equation 3).
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before,
                                         std::uint16_t after) noexcept {
  std::uint32_t sum = std::uint32_t{static_cast<std::uint16_t>(~checksum)} +
                      static_cast<std::uint16_t>(~before) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace espalier::esp
