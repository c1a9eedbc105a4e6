// SPDX-License-Identifier: Apache-2.0
//
// A queue under test and the packet memory that goes through it.
#pragma once

#include <conform/under_test.hpp>

#include <deque>
#include <span>
#include <vector>

namespace espalier::conform {

// A packet's place in packet memory, with canaries on both sides.
struct Spot {
  std::uint8_t* data = nullptr;
  std::uint32_t size = 0;
  std::uint64_t iova = 0;
};

// Memory of packets, known to the device where it asks for that. One thread; the device must have
// let go of its packets before reset().
class PacketMemory {
 public:
  static constexpr std::size_t kBytes = 48U << 20;

  explicit PacketMemory(OpenedDevice& device, std::size_t bytes = kBytes);
  ~PacketMemory();
  PacketMemory(const PacketMemory&) = delete;
  PacketMemory& operator=(const PacketMemory&) = delete;

  // Begins `offset` bytes after a cache line.
  Spot take(std::uint32_t size, std::uint32_t offset = 0);
  void reset() noexcept;
  bool intact(const Spot& spot) const noexcept;
  std::size_t free_bytes() const noexcept { return bytes_ - used_; }

 private:
  OpenedDevice& device_;
  std::size_t bytes_;
  std::size_t used_ = 0;
  std::uint8_t* memory_ = nullptr;
  std::uint64_t iova_ = 0;
  bool attached_ = false;
};

inline constexpr std::uint64_t kCookie = 0x0123456789abcdef;

// Its cookie is its own as long as its source is.
espalier_op make_op(std::uint64_t session, const Sa& sa, const Spot& source,
                    const Spot* destination = nullptr, std::uint32_t seq_hi = 0);

// A queue, synchronous or not, with one way to get work done on it. [queue]
class Lane {
 public:
  explicit Lane(OpenedDevice& device, Req broken = Req::opens);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  bool asynchronous() const noexcept { return device_.info().asynchronous; }
  void* handle() const noexcept { return handle_; }

  // Until all are completed. The case ends where a law of queues is broken.
  void complete(std::span<espalier_op* const> ops);
  std::uint16_t complete(espalier_op& op);

  // One call each, with its answer judged. For asynchronous devices.
  std::uint32_t submit(std::span<espalier_op* const> ops);
  std::uint32_t poll(std::uint32_t most);  // how many came back
  // What the last of them gave.
  std::span<espalier_op* const> came_back() const noexcept {
    return std::span(back_).first(given_);
  }
  std::size_t in_flight() const noexcept { return flying_.size(); }
  void drain();  // polls until nothing is in flight
  // Ops that the device has given up are not waited for.
  void forget() noexcept { flying_.clear(); }

 private:
  std::uint32_t poll_in_turn();  // for few and for many
  void take_back(espalier_op* op);

  OpenedDevice& device_;
  void* handle_ = nullptr;
  std::vector<espalier_op*> flying_;
  std::vector<espalier_op*> back_;  // what a poll fills
  std::size_t given_ = 0;           // of them
  std::size_t polls_ = 0;
  std::deque<const espalier_op*>
      landed_;  // the last ones, to tell a second completion from a foreign
};

}  // namespace espalier::conform
