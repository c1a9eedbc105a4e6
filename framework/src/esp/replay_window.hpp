// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace espalier::esp {

// The anti-replay window of an inbound SA (RFC 4303 3.4.3) over 64-bit sequence numbers: a bitmap
// used as a ring, so that moving it forward clears bits and shifts nothing (as in RFC 6479, with
// exact bits in place of whole words: half the memory).
class ReplayWindow {
 public:
  // `size` in packets, 32 to 4096, exact. `top`: as if that were the highest accepted number, but
  // none before it were used.
  explicit ReplayWindow(std::uint32_t size, std::uint64_t top = 0);

  // Whether the number is neither used nor left of the window. Changes nothing.
  bool acceptable(std::uint64_t sequence) const noexcept;
  // The authoritative step, to be taken only for authenticated packets, in order: false if the
  // number is not acceptable, else it is marked as used and the window moves forward.
  bool accept(std::uint64_t sequence) noexcept;

  std::uint64_t top() const noexcept { return top_; }  // highest accepted number, 0: none
  std::uint32_t size() const noexcept { return size_; }

 private:
  std::uint64_t& word(std::uint64_t sequence) noexcept { return words_[(sequence >> 6) & mask_]; }
  static std::uint64_t bit(std::uint64_t sequence) noexcept {
    return std::uint64_t{1} << (sequence & 63);
  }
  void advance_to(std::uint64_t sequence) noexcept;

  std::uint64_t top_;
  std::uint32_t size_;
  std::uint32_t mask_;  // number of words, a power of 2, less 1
  std::unique_ptr<std::uint64_t[]> words_;
};

}  // namespace espalier::esp
