// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/decision.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

// What one check, or all of them, found. Reason::chosen: nothing speaks against it.
struct Finding {
  Reason reason = Reason::chosen;
  std::string sentence = {};
  std::vector<Comparison> numbers = {};
  std::uint32_t score = 0;  // of the capability that fits, or of the nearest miss

  bool fits() const noexcept { return reason == Reason::chosen; }
};

// Whether the device, as it is now, can do what the SA needs: its state, its dataplane, its place
// on the path, then its capabilities. Of several capabilities the fastest that fits counts, else
// the one that passes the most checks. Its order of capabilities does not matter.
Finding fit_device(const SaSpec& sa, const Device& device, Dataplane dataplane);

}  // namespace espalier
