// SPDX-License-Identifier: Apache-2.0
#include "esp/device_queue.hpp"

#include "esp/sa_state.hpp"

#include <algorithm>

namespace espalier::esp {

DeviceQueue::DeviceQueue(std::unique_ptr<Queue> queue, SlotPool& pool, std::uint64_t iova,
                         Clock clock)
    : queue_(std::move(queue)),
      pool_(&pool),
      to_iova_(iova - reinterpret_cast<std::uintptr_t>(pool.memory().data())),
      asynchronous_(queue_->asynchronous()),
      share_(asynchronous_ ? pool.all().size() / 4 : pool.all().size()),
      clock_(std::move(clock)) {
  waiting_.reserve(pool.all().size());
  polled_.resize(64);
}

void DeviceQueue::enqueue(Slot& slot) noexcept {
  slot.op.session = slot.binding->session.handle();
  slot.op.iova = reinterpret_cast<std::uintptr_t>(slot.op.esp) + to_iova_;
  slot.op.dst = nullptr;
  slot.op.dst_iova = 0;
  slot.op.status = ESPALIER_OP_PENDING;
  slot.op.flags = 0;
  slot.op.cookie = slot.generation;
  slot.state = Slot::State::queued;
  ++slot.binding->in_flight;
  if (idle() && asynchronous_) progress_ = clock_();
  waiting_.push_back(&slot.op);
}

std::size_t DeviceQueue::run(std::vector<Slot*>& completed) noexcept {
  const std::size_t before = completed.size();
  if (lost_) return 0;
  if (!asynchronous_) {
    if (!waiting_.empty()) run_synchronous(completed);
  } else {
    if (!waiting_.empty()) submit();
    if (in_flight_ > 0) poll(completed);
    if (!idle()) watch(completed);
  }
  if (gave_up_) lose("it gave operations back as lost", completed);
  if (failures_in_row_ >= kMaxFailuresInRow) lose_failing(completed);
  return completed.size() - before;
}

void DeviceQueue::lose_failing(std::vector<Slot*>& completed) noexcept {
  lose("it failed " + std::to_string(failures_in_row_) + " operations in a row", completed);
}

void DeviceQueue::run_synchronous(std::vector<Slot*>& completed) noexcept {
  if (queue_->process(waiting_) != ESPALIER_OK) {
    lose("process() answered that the device is lost", completed);  // it holds nothing any more
    return;
  }
  for (espalier_op* op : waiting_) complete(slot_holding(*op), completed);
  waiting_.clear();
}

void DeviceQueue::submit() noexcept {
  // Marked before the call: the device may complete an op, and another core see it, at once.
  for (espalier_op* op : waiting_) slot_holding(*op).state = Slot::State::in_flight;
  const std::uint32_t accepted = queue_->submit(waiting_);
  for (std::size_t i = accepted; i < waiting_.size(); ++i) {
    slot_holding(*waiting_[i]).state = Slot::State::queued;
  }
  if (in_flight_ == 0 && accepted > 0) progress_ = clock_();
  in_flight_ += accepted;
  waiting_.erase(waiting_.begin(), waiting_.begin() + accepted);
}

void DeviceQueue::poll(std::vector<Slot*>& completed) noexcept {
  for (;;) {
    const std::uint32_t n = queue_->poll(polled_);
    if (n > 0) progress_ = clock_();
    for (std::uint32_t i = 0; i < n; ++i) {
      Slot* slot = pool_->slot_of(polled_[i]);
      const bool ours = slot != nullptr && slot->state == Slot::State::in_flight &&
                        slot->binding->queue == this && slot->op.cookie == slot->generation;
      if (!ours) {
        lose("it completed an operation that it did not have", completed);
        return;
      }
      if (slot->op.status == ESPALIER_OP_PENDING) {  // it may still be working on the buffer
        lose("it completed an operation without setting its status", completed);
        return;
      }
      --in_flight_;
      complete(*slot, completed);
    }
    if (n < polled_.size()) return;
  }
}

// It neither completes what it has nor, having nothing, takes what waits.
void DeviceQueue::watch(std::vector<Slot*>& completed) noexcept {
  if (clock_() - progress_ <= kStall) return;
  const std::string during = " for " + std::to_string(kStall.count()) + " ms";
  if (in_flight_ > 0) {
    lose("it has " + std::to_string(in_flight_) + " operations and completed none" + during,
         completed);
  } else {
    lose("it took none of " + std::to_string(waiting_.size()) + " operations" + during, completed);
  }
}

void DeviceQueue::complete(Slot& slot, std::vector<Slot*>& completed) noexcept {
  --slot.binding->in_flight;
  slot.state = Slot::State::done;
  slot.outcome = slot.op.status;
  if (slot.outcome == ESPALIER_OP_LOST) {
    gave_up_ = true;
  } else if (slot.outcome != ESPALIER_OP_DONE && slot.outcome != ESPALIER_OP_BAD_ICV) {
    ++failures_in_row_;
    slot.outcome = ESPALIER_OP_FAILED;
  } else {
    failures_in_row_ = 0;
  }
  completed.push_back(&slot);
}

void DeviceQueue::lose(std::string why, std::vector<Slot*>& completed) noexcept {
  if (lost_) return;
  lost_ = true;
  share_ = 0;
  why_ = std::move(why);
  in_flight_ = 0;
  waiting_.clear();
  for (Slot& slot : pool_->all()) {
    const bool accepted = slot.state == Slot::State::in_flight;
    if (!accepted && slot.state != Slot::State::queued) continue;
    if (slot.binding->queue != this) continue;
    slot.state = accepted ? Slot::State::stranded : Slot::State::done;
    slot.outcome = ESPALIER_OP_LOST;
    if (!accepted) --slot.binding->in_flight;
    completed.push_back(&slot);
  }
}

bool DeviceQueue::quiesce(std::chrono::milliseconds limit) noexcept {
  if (!quiesced_) quiesced_ = queue_->quiesce(limit).has_value();
  return quiesced_;
}

}  // namespace espalier::esp
