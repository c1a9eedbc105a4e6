// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace espalier::esp {

// The outbound sequence number of an SA: forward only, and it ends rather than wraps (laws 1, 2).
class SequenceCounter {
 public:
  explicit SequenceCounter(bool esn) noexcept
      : last_(esn ? std::numeric_limits<std::uint64_t>::max()
                  : std::numeric_limits<std::uint32_t>::max()) {}
  SequenceCounter(bool esn, std::uint64_t current) noexcept : SequenceCounter(esn) {
    current_ = current;
  }

  bool ended() const noexcept { return current_ == last_; }
  // The next number; to be asked only while !ended().
  std::uint64_t take() noexcept { return ++current_; }
  std::uint64_t last() const noexcept { return last_; }        // after which it has ended
  std::uint64_t current() const noexcept { return current_; }  // last one taken, 0: none

 private:
  std::uint64_t current_ = 0;
  std::uint64_t last_;
};

// The 64-bit number of an arriving packet from its low 32 bits (RFC 4303 appendix A2.2). `top` is
// the highest authenticated number, `window` the width of the replay window: the number is one of
// the 2^32 from top - window + 1 on. Of a burst `top` is that before it, which is the same but
// where 2^32 - window numbers are leapt over at once. Nothing where the number would lie beyond
// 2^64 - 1.
constexpr std::optional<std::uint64_t> infer_sequence(std::uint32_t low, std::uint64_t top,
                                                      std::uint32_t window) noexcept {
  const auto top_low = static_cast<std::uint32_t>(top);
  const auto top_high = static_cast<std::uint32_t>(top >> 32);
  const std::uint32_t bottom = top_low - window + 1;
  std::uint64_t high = top_high;
  if (top_low >= window - 1) {
    if (low < bottom) ++high;
  } else if (low >= bottom && top_high > 0) {
    --high;
  }
  if (high > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return high << 32 | low;
}

}  // namespace espalier::esp
