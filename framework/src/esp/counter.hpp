// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/drop.hpp>

#include <atomic>
#include <cstdint>

namespace espalier::esp {

// A number that one worker writes and any thread may read: plain moves, no locked instruction.
class Counter {
 public:
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// One counter a drop reason.
class DropCounters {
 public:
  void count(Drop drop) noexcept { counters_[std::size_t(drop)].add(1); }
  std::uint64_t get(Drop drop) const noexcept { return counters_[std::size_t(drop)].get(); }

 private:
  std::array<Counter, kDropKinds> counters_;
};

}  // namespace espalier::esp
