// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/packet.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace espalier::esp {

struct SaState;
struct Binding;

// One packet in the hands of a worker: its op, its buffer, and its place in its SA's order.
struct alignas(64) Slot {
  enum class State : std::uint8_t {
    free,       // in the pool, or being prepared
    queued,     // has its sequence number; waits for the device to accept it
    in_flight,  // accepted by a device, which owns the buffer
    done,       // completed; retired when all before it in its SA are
    stranded,   // its device was lost; the buffer may be used again only after quiesce (law 9)
  };

  espalier_op op{};
  SaState* sa = nullptr;
  Binding* binding = nullptr;  // the session that it was given to
  Slot* next = nullptr;        // the SA's next packet in order
  std::uint64_t sequence = 0;
  State state = State::free;
  std::uint16_t outcome = ESPALIER_OP_PENDING;  // of the op, read once when it completed
  // In op.cookie, which a device must not change. What tells late and double completions is the
  // state: the op itself is written anew with each use.
  std::uint32_t generation = 0;
  std::uint32_t inner_length = 0;  // outbound: bytes of the inner packet
  Packet packet;
};

// The slot that an op or a packet stands in.
inline Slot& slot_holding(espalier_op& op) noexcept {
  static_assert(offsetof(Slot, op) == 0);
  return reinterpret_cast<Slot&>(op);
}
inline Slot& slot_holding(Packet& packet) noexcept {
  auto* const at = reinterpret_cast<std::byte*>(&packet);
  return *reinterpret_cast<Slot*>(at - offsetof(Slot, packet));
}

// The slots of one worker, with their buffers. Not thread-safe. Last in, first out, so that few
// packets at a time stay in the cache.
class SlotPool {
 public:
  explicit SlotPool(std::uint32_t count);
  ~SlotPool();

  Slot* take() noexcept { return available() == 0 ? nullptr : &slot_holding(*packets_[taken_++]); }
  void give_back(Slot* slot) noexcept {
    slot->state = Slot::State::free;
    slot->packet.offset = kHeadroom;
    ++slot->generation;
    packets_[--taken_] = &slot->packet;
  }
  // The packets of the n slots that take() would give, and how to take some of them after all. The
  // span shows them until something is given back.
  std::span<Packet* const> peek(std::size_t n) const noexcept {
    return std::span(packets_).subspan(taken_, n);
  }
  void take_peeked(std::size_t n) noexcept { taken_ += n; }
  std::size_t available() const noexcept { return count_ - taken_; }
  std::span<std::uint8_t> memory() noexcept { return {memory_.get(), size_}; }

  // The slot of an op that a device claims to have completed: nothing if the pointer is not that
  // of an op of this pool. Reads no memory through the pointer.
  Slot* slot_of(const espalier_op* op) noexcept;
  std::span<Slot> all() const noexcept { return {slots_.get(), count_}; }
  // A device never let go of its buffers: ops and memory stay until the process ends.
  void abandon() noexcept { abandoned_ = true; }
  bool abandoned() const noexcept { return abandoned_; }

 private:
  struct Unmap {
    std::size_t size;
    void operator()(std::uint8_t* memory) const noexcept;
  };
  std::uint32_t count_;
  std::size_t size_;
  std::unique_ptr<std::uint8_t[], Unmap> memory_;
  std::unique_ptr<Slot[]> slots_;
  std::vector<Packet*> packets_;  // of the free slots, from taken_ on
  std::size_t taken_ = 0;
  bool abandoned_ = false;
};

}  // namespace espalier::esp
