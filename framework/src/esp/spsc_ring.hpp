// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace espalier::esp {

// A bounded queue from one thread to one other, wait-free. Elements live in the ring and are moved
// in and out, or filled and read in place (so that large ones are never copied twice).
template <class T>
class SpscRing {
 public:
  explicit SpscRing(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1),
        items_(std::make_unique_for_overwrite<T[]>(mask_ + 1)) {}

  // Producer: the next free element, or nullptr; it is seen by the consumer after publish().
  T* vacant() noexcept {
    const auto tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return nullptr;
    }
    return &items_[tail & mask_];
  }
  void publish() noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  bool push(T&& item) noexcept(noexcept(std::declval<T&>() = std::move(item))) {
    T* place = vacant();
    if (place == nullptr) return false;
    *place = std::move(item);
    publish();
    return true;
  }

  // Consumer: the oldest element, or nullptr; its place is free again after release().
  T* front() noexcept {
    const auto head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return nullptr;
    }
    return &items_[head & mask_];
  }
  void release() noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

 private:
  const std::size_t mask_;
  std::unique_ptr<T[]> items_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;  // producer's
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;  // consumer's
};

}  // namespace espalier::esp
