// SPDX-License-Identifier: Apache-2.0
#include "observe/rate_meter.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

void RateMeter::sample(std::string_view name, std::uint64_t bytes, Time now) {
  const auto known = counters_.find(name);
  if (known == counters_.end()) {
    counters_.emplace(name, Counter{bytes, now, {}, round_});
    return;
  }
  Counter& counter = known->second;
  counter.round = round_;
  const std::chrono::duration<double> elapsed = now - std::max(counter.at, rested_until_);
  if (elapsed.count() <= 0) return;
  const std::uint64_t grown = bytes >= counter.bytes ? bytes - counter.bytes : 0;
  counter.rate.bits_per_second =
      static_cast<std::uint64_t>(static_cast<double>(grown) * 8 / elapsed.count());
  counter.rate.peak_bits_per_second =
      std::max(counter.rate.peak_bits_per_second, counter.rate.bits_per_second);
  counter.bytes = bytes;
  counter.at = now;
}

void RateMeter::end_round() {
  std::erase_if(counters_, [this](const auto& entry) { return entry.second.round != round_; });
}

Rate RateMeter::rate(std::string_view name) const {
  const auto found = counters_.find(name);
  return found == counters_.end() ? Rate{} : found->second.rate;
}

std::string gbits(std::uint64_t bits_per_second) {
  return fmt::format("{:.2f}", static_cast<double>(bits_per_second) / 1e9);
}

}  // namespace espalier
