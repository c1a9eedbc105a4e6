// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace espalier::test {

// What this program, and every library in it, has asked of the allocator and of locks so far: this
// program defines malloc, free, pthread_mutex_lock and their kin itself, counts, and passes them
// on.
struct Cost {
  std::uint64_t allocations = 0;  // malloc, calloc, realloc and the aligned ones
  std::uint64_t frees = 0;        // of what is not null
  std::uint64_t locks = 0;        // mutexes, and read-write locks in either way

  friend bool operator==(const Cost&, const Cost&) = default;
  friend Cost operator-(const Cost& a, const Cost& b) {
    return {a.allocations - b.allocations, a.frees - b.frees, a.locks - b.locks};
  }
};

Cost cost_so_far() noexcept;

}  // namespace espalier::test
