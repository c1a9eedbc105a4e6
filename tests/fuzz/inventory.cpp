// SPDX-License-Identifier: Apache-2.0
//
// A saved inventory.
#include "fuzz.hpp"

#include <espalier/inventory.hpp>

#include <string_view>

using namespace espalier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto inventory = inventory_from_json(text);
  if (!inventory) {
    fuzz::require(!inventory.error().message.empty(), "an error says what");
    return 0;
  }
  const auto again = inventory_from_json(to_json(*inventory));
  fuzz::require(again.has_value(), "what was read can be written and read");
  fuzz::require(to_json(*again) == to_json(*inventory), "and stays the same");
  return 0;
}
