// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fake_control.hpp>

#include <iterator>
#include <thread>

namespace espalier::mock {

// What a fake device shares with its queues. Sessions are guarded by the control's mutex.
struct FakeDeviceState {
  std::shared_ptr<FakeControl> control;
  std::shared_ptr<OpTrace> trace;
  std::string name;
  std::uint64_t generation = 0;  // at which it was opened
  std::uint32_t queue_depth = 0;
  std::map<std::uint64_t, FakeSession> sessions;
  std::shared_ptr<InnerBackend> inner;  // nullptr: the toy
};

class FakeQueue final : public sdk::Queue {
 public:
  FakeQueue(FakeDeviceState& device, void* inner_queue)
      : device_(device), control_(*device.control), inner_queue_(inner_queue) {
    const std::lock_guard lock(control_.mutex_);
    ++control_.counters_.queues_opened;
    foreign_.status = ESPALIER_OP_DONE;
  }
  ~FakeQueue() override {
    {
      const std::lock_guard lock(control_.mutex_);
      ++control_.counters_.queues_closed;
      if (!flights_.empty()) violation("a queue was closed with packets in flight");
      drop_all();
    }
    if (inner_queue_ != nullptr) device_.inner->table().queue_close(inner_queue_);
  }

  espalier_status process(espalier_op* const* ops, std::uint32_t n) override {
    control_.wait_while_hanging();
    {
      const std::lock_guard lock(control_.mutex_);
      ++control_.counters_.submits;
    }
    for (std::uint32_t i = 0; i < n; ++i) {
      Fault fault = Fault::none;
      std::chrono::nanoseconds latency{};
      {
        const std::lock_guard lock(control_.mutex_);
        if (dead() || !control_.survives_op_locked()) return ESPALIER_LOST;
        fault = accept(*ops[i]);
        latency = control_.latency_;
      }
      if (latency.count() > 0) std::this_thread::sleep_for(latency);
      complete(*ops[i], fault);
    }
    return ESPALIER_OK;
  }

  std::uint32_t submit(espalier_op* const* ops, std::uint32_t n) override {
    control_.wait_while_hanging();
    const std::lock_guard lock(control_.mutex_);
    ++control_.counters_.submits;
    const std::uint32_t limit = std::min(n, control_.accept_at_most_);
    std::uint32_t accepted = 0;
    while (accepted < limit && flights_.size() < device_.queue_depth) {
      if (dead() || !control_.survives_op_locked()) break;
      espalier_op* op = ops[accepted++];
      const Fault fault = accept(*op);
      flights_.push_back({op, fault, polls_, now()});
      control_.in_flight_.push_back(op);
      auto& counters = control_.counters_;
      counters.in_flight = control_.in_flight_.size();
      counters.max_in_flight = std::max(counters.max_in_flight, counters.in_flight);
    }
    return accepted;
  }

  std::uint32_t poll(espalier_op** ops, std::uint32_t n) override {
    std::vector<Flight> done;
    std::uint32_t polled = 0;
    {
      const std::lock_guard lock(control_.mutex_);
      ++control_.counters_.polls;
      ++polls_;
      if (dead()) return 0;
      while (polled < n && !extra_.empty()) {
        ops[polled++] = extra_.front();
        extra_.pop_front();
      }
      done = take_ready(n - polled);
    }
    for (const auto& flight : done) {
      complete(*flight.op, flight.fault);
      if (flight.fault == Fault::twice) extra_.push_back(flight.op);
      if (flight.fault == Fault::foreign) extra_.push_back(&foreign_);
      ops[polled++] = flight.op;
    }
    return polled;
  }

  espalier_status quiesce(std::uint64_t) override {
    const std::lock_guard lock(control_.mutex_);
    if (const auto refusal = control_.refusal_locked(Call::quiesce)) return refusal->status;
    drop_all();
    return ESPALIER_OK;
  }

 private:
  struct Flight {
    espalier_op* op = nullptr;
    Fault fault = Fault::none;
    std::uint64_t polls = 0;  // when it was accepted
    std::uint64_t at_ns = 0;
  };

  // ---- Under the control's mutex -------------------------------------------------------------
  bool dead() const { return control_.dead_locked(device_.generation); }
  void violation(std::string words) { control_.violations_.push_back(std::move(words)); }
  std::uint64_t now() const {
    const espalier_host* host = control_.host_;
    return host == nullptr || control_.latency_.count() == 0 ? 0
                                                             : host->monotonic_ns(host->context);
  }

  // Records an op that the device takes; gives what shall go wrong with it.
  Fault accept(espalier_op& op) {
    ++control_.counters_.ops_accepted;
    if (op.status != ESPALIER_OP_PENDING) violation("an op was given without status PENDING");
    const auto it = device_.sessions.find(op.session);
    if (it == device_.sessions.end()) {
      violation("an op was given for a session that is not open");
      return Fault::fail;
    }
    if (device_.trace != nullptr) device_.trace->add(record_of(device_.name, op, it->second));
    return control_.next_fault_locked();
  }

  std::vector<Flight> take_ready(std::uint32_t n) {
    std::vector<Flight> taken;
    const std::uint64_t clock = now();
    const auto ready = [&](const Flight& f) {
      return f.fault != Fault::drop && polls_ - f.polls > control_.poll_delay_ &&
             clock >= f.at_ns + static_cast<std::uint64_t>(control_.latency_.count());
    };
    std::vector<Flight> candidates;
    std::copy_if(flights_.begin(), flights_.end(), std::back_inserter(candidates), ready);
    if (control_.order_ == Order::reverse) std::reverse(candidates.begin(), candidates.end());
    if (control_.order_ == Order::random) {
      std::shuffle(candidates.begin(), candidates.end(), control_.random_);
    }
    for (const auto& flight : candidates) {
      if (taken.size() == n || control_.completions_left_ == 0) break;
      if (control_.completions_left_ != kForever) --control_.completions_left_;
      taken.push_back(flight);
      forget(flight.op);
    }
    return taken;
  }

  void forget(const espalier_op* op) {
    const auto mine = [op](const Flight& f) { return f.op == op; };
    flights_.erase(std::find_if(flights_.begin(), flights_.end(), mine));
    auto& all = control_.in_flight_;
    all.erase(std::find(all.begin(), all.end(), op));
    control_.counters_.in_flight = all.size();
  }
  void drop_all() {
    while (!flights_.empty()) forget(flights_.front().op);
    extra_.clear();
  }

  // ---- Without it ----------------------------------------------------------------------------
  void complete(espalier_op& op, Fault fault) {
    switch (fault) {
      case Fault::fail:
        op.status = ESPALIER_OP_FAILED;
        break;
      case Fault::bad_icv:
        op.status = ESPALIER_OP_BAD_ICV;
        break;
      case Fault::lose:
        op.status = ESPALIER_OP_LOST;
        break;
      case Fault::done_without_work:
        op.status = ESPALIER_OP_DONE;
        break;
      case Fault::leave_pending:
      case Fault::drop:
        break;
      case Fault::corrupt:
        op.status = transform(op);
        if (op.status == ESPALIER_OP_DONE)
          (op.dst == nullptr ? op.esp : op.dst)[op.icv_offset - 1] ^= 1;
        break;
      case Fault::none:
      case Fault::twice:
      case Fault::foreign:
        op.status = transform(op);
        break;
      case Fault::change_cookie:
        op.status = transform(op);
        ++op.cookie;
        break;
    }
    const std::lock_guard lock(control_.mutex_);
    ++control_.counters_.ops_completed;
  }

  std::uint16_t transform(const espalier_op& op) {
    FakeSession session;
    {
      const std::lock_guard lock(control_.mutex_);
      const auto it = device_.sessions.find(op.session);
      if (it == device_.sessions.end()) return ESPALIER_OP_FAILED;
      session = it->second;
    }
    if (device_.inner == nullptr) return toy_transform(session, op);
    espalier_op copy = op;
    copy.session = session.inner;
    espalier_op* one = &copy;
    const auto& table = device_.inner->table();
    if (!device_.inner->asynchronous()) {
      if (table.process(inner_queue_, &one, 1) != ESPALIER_OK) return ESPALIER_OP_FAILED;
      return copy.status;
    }
    if (table.submit(inner_queue_, &one, 1) != 1) return ESPALIER_OP_FAILED;
    espalier_op* back = nullptr;
    while (table.poll(inner_queue_, &back, 1) == 0) std::this_thread::yield();
    return copy.status;
  }

  FakeDeviceState& device_;
  FakeControl& control_;
  void* inner_queue_;
  std::vector<Flight> flights_;  // in the order of submission
  std::deque<espalier_op*> extra_;
  espalier_op foreign_{};
  std::uint64_t polls_ = 0;
};

}  // namespace espalier::mock
