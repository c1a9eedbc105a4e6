// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace espalier::esp {

// Big-endian fields at any alignment.
inline void store_be32(std::uint8_t* p, std::uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  std::memcpy(p, &value, sizeof(value));
}
inline void store_be16(std::uint8_t* p, std::uint32_t value) noexcept {  // the low 16 bits
  const std::uint16_t swapped = __builtin_bswap16(static_cast<std::uint16_t>(value));
  std::memcpy(p, &swapped, sizeof(swapped));
}
inline void store_be64(std::uint8_t* p, std::uint64_t value) noexcept {
  value = __builtin_bswap64(value);
  std::memcpy(p, &value, sizeof(value));
}
inline std::uint32_t load_be32(const std::uint8_t* p) noexcept {
  std::uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return __builtin_bswap32(value);
}
inline std::uint16_t load_be16(const std::uint8_t* p) noexcept {
  std::uint16_t value;
  std::memcpy(&value, p, sizeof(value));
  return __builtin_bswap16(value);
}
static_assert(std::endian::native == std::endian::little, "written for little-endian machines");

}  // namespace espalier::esp
