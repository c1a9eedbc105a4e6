// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace espalier::esp {

// A packet on its way from the worker that received it to the worker that owns its SA; its bytes
// follow.
struct alignas(64) HandedOver {
  std::uint32_t record = 0;  // bytes of the ring until the next one
  std::uint32_t length = 0;  // of the packet
  bool filler = false;       // only fills the ring up to its end
  bool inbound = false;
  WireAddress wire;

  std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

// The ring is filled up with headers alone, so that one must fit into the smallest gap.
static_assert(sizeof(HandedOver) == 64);

// A bounded queue of packets of any length from one worker to one other, wait-free. Packets are
// copied, so that no buffer ever changes its owner.
class HandoffRing {
 public:
  static constexpr std::size_t kBytes = 1u << 20;  // some 700 packets of 1420 bytes

  HandoffRing() : memory_(new(std::align_val_t{64}) std::byte[kBytes]) {}

  // Producer. False: there is no room.
  bool push(const Packet& packet, bool inbound) noexcept {
    const std::size_t record = (sizeof(HandedOver) + packet.length + 63) & ~std::size_t{63};
    std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t to_end = kBytes - (tail & (kBytes - 1));
    const std::size_t skipped = record > to_end ? to_end : 0;
    if (!has_room(tail, skipped + record)) return false;
    if (skipped > 0) {
      new (at(tail)) HandedOver{static_cast<std::uint32_t>(skipped), 0, true, false, {}};
      tail += skipped;
    }
    auto* given = new (at(tail))
        HandedOver{static_cast<std::uint32_t>(record), packet.length, false, inbound, packet.wire};
    std::memcpy(given->data(), packet.data(), packet.length);
    tail_.store(tail + record, std::memory_order_release);
    return true;
  }

  // Producer: whether so much waits that it had better bring no more for now.
  bool fills_up() noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ <= kBytes / 2) return false;
    head_seen_ = head_.load(std::memory_order_acquire);
    return tail - head_seen_ > kBytes / 2;
  }

  // Consumer: the oldest packet, or nullptr; its place is free again after release().
  HandedOver* front() noexcept {
    for (;;) {
      const std::size_t head = head_.load(std::memory_order_relaxed);
      if (head == tail_seen_) {
        tail_seen_ = tail_.load(std::memory_order_acquire);
        if (head == tail_seen_) return nullptr;
      }
      auto* given = std::launder(reinterpret_cast<HandedOver*>(at(head)));
      if (!given->filler) return given;
      head_.store(head + given->record, std::memory_order_release);
    }
  }
  void release() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    const auto* given = std::launder(reinterpret_cast<HandedOver*>(at(head)));
    head_.store(head + given->record, std::memory_order_release);
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept {
      ::operator delete[](memory, std::align_val_t{64});
    }
  };
  std::byte* at(std::size_t position) const noexcept {
    return memory_.get() + (position & (kBytes - 1));
  }
  bool has_room(std::size_t tail, std::size_t bytes) noexcept {
    if (tail + bytes - head_seen_ <= kBytes) return true;
    head_seen_ = head_.load(std::memory_order_acquire);
    return tail + bytes - head_seen_ <= kBytes;
  }

  std::unique_ptr<std::byte[], Free> memory_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;  // producer's
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;  // consumer's
};

// One ring for every ordered pair of workers.
class HandoffMatrix {
 public:
  explicit HandoffMatrix(std::uint32_t workers) : workers_(workers) {
    if (workers == 1) return;
    for (std::uint32_t i = 0; i < workers * workers; ++i) {
      rings_.push_back(std::make_unique<HandoffRing>());
    }
  }

  std::uint32_t workers() const noexcept { return workers_; }
  HandoffRing& ring(std::uint32_t from, std::uint32_t to) noexcept {
    return *rings_[from * workers_ + to];
  }

 private:
  std::uint32_t workers_;
  std::vector<std::unique_ptr<HandoffRing>> rings_;
};

}  // namespace espalier::esp
