// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace espalier {

struct Rate {
  std::uint64_t bits_per_second = 0;       // over the last interval
  std::uint64_t peak_bits_per_second = 0;  // of the busiest interval
};

// Rates of named byte counters, from samples taken at about equal intervals.
class RateMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The counter `name` stands at `bytes`. A first sample gives no rate; nor does one that is taken
  // at the same moment as that before it.
  void sample(std::string_view name, std::uint64_t bytes, Time now);
  // Around the samples of all counters: those that were not sampled within are forgotten.
  void begin_round() { ++round_; }
  void end_round();
  // Instead of a round: all counters stand as they stood in the last one.
  void rest(Time now) { rested_until_ = now; }
  Rate rate(std::string_view name) const;

 private:
  struct Counter {
    std::uint64_t bytes = 0;
    Time at;
    Rate rate;
    std::uint64_t round = 0;
  };
  std::uint64_t round_ = 0;
  Time rested_until_ = Time::min();
  // There may be very many, looked up by names that others keep.
  struct NameHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, Counter, NameHash, std::equal_to<>> counters_;
};

// "0.94": in units of 10^9 bits, two digits.
std::string gbits(std::uint64_t bits_per_second);

}  // namespace espalier
