// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace espalier::conform {

// What this process holds: by malloc of all its arenas, and in pages.
struct MemoryUse {
  std::uint64_t allocated = 0;
  std::uint64_t resident = 0;

  static MemoryUse now();
  // What has grown since, over `rounds` of something that should leave nothing; or "".
  std::string growth_over(const MemoryUse& before, std::uint32_t rounds) const;
};

}  // namespace espalier::conform
