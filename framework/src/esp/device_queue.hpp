// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/slot.hpp"

#include <espalier/device.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::esp {

// A worker's way to one device: collects a burst's ops, hands them over, takes completions, and
// notices when the device has failed. Believes a completion once (law 9): what comes back must be
// an op that was accepted and not yet completed, and must carry a status that the device set.
// Made and destroyed by the control thread, used by one worker.
class DeviceQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Clock = std::function<TimePoint()>;
  static constexpr std::uint32_t kMaxFailuresInRow = 16;
  static constexpr std::chrono::milliseconds kStall{500};  // given ops, and nothing happens

  // `iova`: of the first byte of the pool's memory, 0 for devices that do not need it.
  DeviceQueue(std::unique_ptr<Queue> queue, SlotPool& pool, std::uint64_t iova,
              Clock clock = &std::chrono::steady_clock::now);

  bool lost() const noexcept { return lost_; }
  const std::string& why_lost() const noexcept { return why_; }
  const OpenDevice& device() const noexcept { return *queue_->device(); }
  bool idle() const noexcept { return waiting_.empty() && in_flight_ == 0; }
  // Whether one more op finds room; asked before a sequence number is used, and never so on a
  // device that is lost. An asynchronous one may hold a quarter of the worker's buffers, so that
  // others go on whatever it does with them.
  bool has_room() const noexcept { return waiting_.size() + in_flight_ < share_; }
  bool asynchronous() const noexcept { return asynchronous_; }
  bool quiesced() const noexcept { return quiesced_; }

  void enqueue(Slot& slot) noexcept;
  // Gives the device what waits and takes what it has completed. The slots that completed are
  // appended to `completed`, with slot.outcome set. Gives their number.
  std::size_t run(std::vector<Slot*>& completed) noexcept;

  // Gives up on the device: every slot that it has is appended to `completed` with outcome LOST.
  // Those that it had accepted are stranded, and their sessions in use, until quiesce() succeeds.
  [[gnu::cold, gnu::noinline]] void lose(std::string why, std::vector<Slot*>& completed) noexcept;
  // Whether the device has let go of all buffers; asks it if that is not known yet. Only after a
  // loss, or when idle.
  bool quiesce(std::chrono::milliseconds limit) noexcept;

 private:
  void run_synchronous(std::vector<Slot*>& completed) noexcept;
  [[gnu::noinline]] void submit() noexcept;
  [[gnu::noinline]] void poll(std::vector<Slot*>& completed) noexcept;
  [[gnu::noinline]] void watch(std::vector<Slot*>& completed) noexcept;
  [[gnu::cold, gnu::noinline]] void lose_failing(std::vector<Slot*>& completed) noexcept;
  void complete(Slot& slot, std::vector<Slot*>& completed) noexcept;

  std::unique_ptr<Queue> queue_;
  SlotPool* pool_;
  std::uint64_t to_iova_;              // what to add to an address in the pool's memory
  std::vector<espalier_op*> waiting_;  // not yet accepted, in order
  std::vector<espalier_op*> polled_;
  std::uint32_t in_flight_ = 0;
  const bool asynchronous_;
  std::size_t share_;  // of the worker's buffers; 0 once lost
  std::uint32_t failures_in_row_ = 0;
  Clock clock_;
  TimePoint progress_{};  // when it was last given something while idle, took it, or completed
  bool gave_up_ = false;  // the device, by its own word
  bool lost_ = false;
  bool quiesced_ = false;
  std::string why_;
};

}  // namespace espalier::esp
