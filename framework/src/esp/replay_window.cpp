// SPDX-License-Identifier: Apache-2.0
#include "esp/replay_window.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace espalier::esp {

ReplayWindow::ReplayWindow(std::uint32_t size, std::uint64_t top)
    : top_(top),
      size_(size),
      mask_(std::bit_ceil(std::max(size, 64u)) / 64 - 1),
      words_(std::make_unique<std::uint64_t[]>(mask_ + std::size_t{1})) {}

bool ReplayWindow::acceptable(std::uint64_t sequence) const noexcept {
  if (sequence == 0) return false;
  if (sequence > top_) return true;
  if (top_ - sequence >= size_) return false;
  return (words_[(sequence >> 6) & mask_] & bit(sequence)) == 0;
}

bool ReplayWindow::accept(std::uint64_t sequence) noexcept {
  if (sequence > top_) {
    if (sequence - top_ == 1) {  // the usual one: nothing to clear but its own bit
      top_ = sequence;
    } else {
      advance_to(sequence);
    }
  } else if (!acceptable(sequence)) {
    return false;
  }
  word(sequence) |= bit(sequence);
  return true;
}

// Clears what the ring still holds of the numbers after top, up to the new one.
void ReplayWindow::advance_to(std::uint64_t sequence) noexcept {
  const std::uint64_t last = sequence >> 6;
  std::uint64_t at = top_ >> 6;
  const std::uint64_t above_top = ~std::uint64_t{1} << (top_ & 63);  // bits after top's
  const std::uint64_t up_to_new = ~std::uint64_t{0} >> (63 - (sequence & 63));
  const std::uint64_t step = sequence - std::exchange(top_, sequence);
  const std::size_t words = mask_ + std::size_t{1};
  if (step >= words * 64) {
    std::fill_n(words_.get(), words, 0);
    return;
  }
  if (at == last) {
    words_[at & mask_] &= ~(above_top & up_to_new);
    return;
  }
  words_[at & mask_] &= ~above_top;
  while (++at != last) words_[at & mask_] = 0;
  words_[last & mask_] &= ~up_to_new;
}

}  // namespace espalier::esp
