// SPDX-License-Identifier: Apache-2.0
//
// SAs, keys and devices for the tests of placement.
#pragma once

#include <espalier/device.hpp>
#include <espalier/sa.hpp>
#include <espalier/secret.hpp>

#include <array>
#include <string>
#include <utility>

namespace espalier::sample {

inline SaSpec sa(std::string name, Direction direction = Direction::outbound) {
  SaSpec spec;
  spec.name = std::move(name);
  spec.direction = direction;
  spec.spi = 0x1000;
  spec.transform = {Cipher::aes_gcm, 256, Integrity::none, 16};
  spec.local = {IpAddress::parse("192.0.2.1").value(), 4500};
  spec.peer = {IpAddress::parse("192.0.2.2").value(), 4500};
  TrafficSelector all;
  all.source = IpPrefix::parse("10.1.0.0/16").value();
  all.destination = IpPrefix::parse("10.2.0.0/16").value();
  spec.selectors = {all};
  return spec;
}

// Keys for sa(); `seed` makes them differ.
inline SaKeys keys(SecretPool& pool, std::uint8_t seed = 1) {
  std::array<std::uint8_t, 32> key;
  key.fill(seed);
  const std::array<std::uint8_t, 4> salt{seed, 2, 3, 4};
  return {SecretBytes::copy(pool, key).value(), SecretBytes::copy(pool, salt).value(), {}};
}

inline CapacityPool pool(std::string name, std::uint64_t capacity, PoolUse use = PoolUse::counted,
                         std::uint32_t directions = 3) {
  CapacityPool made;
  made.name = std::move(name);
  made.capacity = capacity;
  made.use = use;
  made.directions = directions;
  return made;
}

}  // namespace espalier::sample
