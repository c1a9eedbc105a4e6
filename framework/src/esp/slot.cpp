// SPDX-License-Identifier: Apache-2.0
#include "esp/slot.hpp"

#include "esp/kept.hpp"

#include <sys/mman.h>

#include <new>

namespace espalier::esp {

namespace {

constexpr std::size_t kBuffer = kHeadroom + kMaxPacket + 1 + kTailroom;
// Buffers are apart by an odd number of cache lines, so that their headers do not all fall into
// one set of the cache. Pages are only backed once a packet of that size has come.
constexpr std::size_t kStride = (kBuffer / 64 | 1) * 64 + 128;
static_assert(kStride >= kBuffer && (kStride / 64) % 2 == 1);

std::uint8_t* map(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::uint8_t*>(memory);
}

}  // namespace

void SlotPool::Unmap::operator()(std::uint8_t* memory) const noexcept { munmap(memory, size); }

SlotPool::SlotPool(std::uint32_t count)
    : count_(count), size_(count * kStride), memory_(map(size_), Unmap{size_}) {
  slots_ = std::make_unique<Slot[]>(count);
  packets_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    slots_[i].packet.buffer = memory_.get() + i * kStride;
    slots_[i].packet.capacity = kBuffer;
    slots_[i].packet.offset = kHeadroom;
    packets_.push_back(&slots_[i].packet);
  }
}

SlotPool::~SlotPool() {
  if (!abandoned_) return;
  static_cast<void>(memory_.release());
  keep_until_exit(std::make_shared<std::unique_ptr<Slot[]>>(std::move(slots_)));
}

Slot* SlotPool::slot_of(const espalier_op* op) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(op);
  const auto first = reinterpret_cast<std::uintptr_t>(slots_.get());
  if (address < first || (address - first) % sizeof(Slot) != 0) return nullptr;
  const std::size_t index = (address - first) / sizeof(Slot);
  return index < count_ ? &slots_[index] : nullptr;
}

}  // namespace espalier::esp
