// SPDX-License-Identifier: Apache-2.0
#include "esp/replay_window.hpp"

#include <algorithm>
#include <bit>

namespace espalier::esp {

ReplayWindow::ReplayWindow(std::uint32_t size) : size_(size) {
  // One word more than the window spans, since top may stand anywhere in its word.
  const std::uint64_t words = std::bit_ceil(std::uint64_t{size} / 64 + 2);
  words_.assign(words, 0);
  mask_ = words - 1;
}

bool ReplayWindow::acceptable(std::uint64_t sequence) const noexcept {
  if (sequence == 0) return false;
  if (sequence > top_) return true;
  if (top_ - sequence >= size_) return false;
  return (words_[(sequence >> 6) & mask_] & bit(sequence)) == 0;
}

bool ReplayWindow::accept(std::uint64_t sequence) noexcept {
  if (!acceptable(sequence)) return false;
  if (sequence > top_) advance_to(sequence);
  word(sequence) |= bit(sequence);
  return true;
}

void ReplayWindow::advance_to(std::uint64_t sequence) noexcept {
  const std::uint64_t from = top_ >> 6;
  const std::uint64_t fresh = std::min((sequence >> 6) - from, mask_ + 1);
  for (std::uint64_t i = 1; i <= fresh; ++i) words_[(from + i) & mask_] = 0;
  top_ = sequence;
}

}  // namespace espalier::esp
