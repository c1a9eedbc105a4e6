// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>

#include <string>
#include <vector>

namespace espalier::conform {

// One thing in which two descriptions differ.
struct Difference {
  enum class Effect : std::uint8_t {
    loss,    // what A can, B cannot
    gain,    // the other way round
    change,  // neither: a name, a relative speed
  } effect = Effect::change;
  std::string where;  // "aesni/cpu, aes-gcm"
  std::string what;   // "key of 192 bits", "max_length"
  std::string a;      // what A has, or "" where that is all
  std::string b;
};

// What B differs in from A, seen from A. Backends and devices are told apart by name; where both
// sides have exactly one, it is the same whatever it is called. Live use, health and ids are not
// compared: they change by themselves. Pure.
std::vector<Difference> differences(const Inventory& a, const Inventory& b);
std::vector<Difference> differences(const std::string& where, const Device& a, const Device& b);

const char* to_string(Difference::Effect effect) noexcept;
std::string sentence(const Difference& difference);

}  // namespace espalier::conform
