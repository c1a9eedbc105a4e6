// SPDX-License-Identifier: Apache-2.0
//
// The strings by which a test moves a fake device while it runs, and what it saw. Thread-safe: a
// test may script from one thread while a worker uses the device from another.
#pragma once

#include <fake_crypto.hpp>
#include <fake_faults.hpp>
#include <fake_trace.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <map>
#include <random>

namespace espalier::mock {

inline constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

struct FakeCounters {
  std::uint64_t devices_opened = 0, devices_closed = 0;
  std::uint64_t sessions_asked = 0;  // session_open calls, refused ones too
  std::uint64_t sessions_opened = 0, sessions_closed = 0;
  std::uint64_t queues_opened = 0, queues_closed = 0;
  std::uint64_t submits = 0;  // submit or process calls
  std::uint64_t polls = 0;
  std::uint64_t ops_accepted = 0, ops_completed = 0;
  std::uint64_t in_flight = 0, max_in_flight = 0;

  std::uint64_t sessions() const { return sessions_opened - sessions_closed; }
};

class FakeControl {
 public:
  // ---- The script ----------------------------------------------------------------------------
  void refuse(Call call, espalier_status status, std::string words,
              std::uint64_t times = kForever) {
    const std::lock_guard lock(mutex_);
    refusals_[call] = {{status, std::move(words)}, times};
  }
  void allow(Call call) {
    const std::lock_guard lock(mutex_);
    refusals_.erase(call);
  }
  // The next `times` ops after `after` more good ones go wrong.
  void misbehave(Fault fault, std::uint64_t times = 1, std::uint64_t after = 0) {
    const std::lock_guard lock(mutex_);
    faults_.push_back({fault, after, times});
  }
  // The device is dead until recover(): calls answer LOST, submit takes nothing, poll gives
  // nothing.
  void lose(std::string why = "the fake device was lost") {
    const std::lock_guard lock(mutex_);
    lose_locked(std::move(why));
  }
  // Dies once it has accepted `ops` more.
  void lose_after(std::uint64_t ops, std::string why = "the fake device was lost") {
    const std::lock_guard lock(mutex_);
    lose_after_ = {ops, std::move(why)};
  }
  // Works again, as a new device (another id); what was opened before stays dead.
  void recover() {
    const std::lock_guard lock(mutex_);
    if (health_.first == ESPALIER_GONE) ++generation_;
    health_ = {ESPALIER_UP, ""};
    plugged_ = true;
  }
  // Works from now on: every fault, refusal and hold is taken back.
  void heal() {
    recover();
    const std::lock_guard lock(mutex_);
    refusals_.clear();
    faults_.clear();
    lose_after_.first = kForever;
    completions_left_ = kForever;
    accept_at_most_ = std::numeric_limits<std::uint32_t>::max();
    latency_ = std::chrono::nanoseconds(0);
    poll_delay_ = 0;
  }
  // Lost, and no longer enumerated; tells the host.
  void unplug() {
    {
      const std::lock_guard lock(mutex_);
      lose_locked("the fake device was unplugged");
      plugged_ = false;
    }
    emit(ESPALIER_EVENT_DEVICE_LOST);
  }
  void plug_in() {
    recover();
    emit(ESPALIER_EVENT_DEVICE_ADDED);
  }
  void set_health(std::uint32_t state, std::string reason) {
    const std::lock_guard lock(mutex_);
    health_ = {state, std::move(reason)};
  }
  void emit(std::int32_t event) {
    const espalier_host* host = nullptr;
    {
      const std::lock_guard lock(mutex_);
      host = host_;
    }
    if (host != nullptr) host->event(host->context, event, id());
  }
  // Completions are held back; release_completions(n) lets n of them go.
  void hold_completions() { release_to(0); }
  void release_completions(std::uint64_t n = kForever) { release_to(n); }
  void accept_at_most(std::uint32_t ops_a_submit) { set(accept_at_most_, ops_a_submit); }
  void set_order(Order order, std::uint64_t seed = 1) {
    const std::lock_guard lock(mutex_);
    order_ = order;
    random_.seed(seed);
  }
  void set_latency(std::chrono::nanoseconds latency) { set(latency_, latency); }
  // An op is handed back by the n-th poll after its submit at the earliest.
  void set_poll_delay(std::uint64_t polls) { set(poll_delay_, polls); }
  // process() and submit() do not return until resume().
  void hang() { set(hanging_, true); }
  void resume() {
    set(hanging_, false);
    resumed_.notify_all();
  }
  // Sessions that it really takes, whatever its pools say.
  void set_sa_capacity(std::uint64_t sessions) { set(sa_capacity_, sessions); }
  // What its pools say is used: a lie. nullopt: the truth.
  void report_used(std::optional<std::uint64_t> used) { set(reported_used_, used); }
  // A lost device that still has packets writes into all of their buffers, as its DMA may. Gives
  // how many it wrote to: none after queue_quiesce.
  std::size_t scribble() {
    const std::lock_guard lock(mutex_);
    if (health_.first != ESPALIER_GONE) return 0;
    for (const espalier_op* op : in_flight_) std::memset(op->esp, 0xee, op->length);
    return in_flight_.size();
  }

  // ---- What it saw ---------------------------------------------------------------------------
  FakeCounters counters() const { return get(counters_); }
  // Breaches of the boundary's contract by the host, a sentence each; a test expects none.
  std::vector<std::string> violations() const { return get(violations_); }
  std::uint64_t id() const {
    const std::lock_guard lock(mutex_);
    return id_locked();
  }

 private:
  friend class FakeQueue;
  friend class FakeDevice;
  friend class FakePlugin;
  friend class FakeBackend;
  friend class FakeBackendBuilder;

  struct Times {
    sdk::Refusal refusal;
    std::uint64_t left = 0;
  };
  struct Planned {
    Fault fault = Fault::none;
    std::uint64_t after = 0, times = 0;
  };

  template <class T>
  void set(T& field, T value) {
    const std::lock_guard lock(mutex_);
    field = value;
  }
  template <class T>
  T get(const T& field) const {
    const std::lock_guard lock(mutex_);
    return field;
  }
  void release_to(std::uint64_t n) { set(completions_left_, n); }
  void lose_locked(std::string why) {
    health_ = {ESPALIER_GONE, std::move(why)};
    lose_after_.first = kForever;
  }
  std::uint64_t id_locked() const { return (generation_ << 16) | (index_ + 1); }
  bool dead_locked(std::uint64_t generation) const {
    return generation != generation_ || health_.first == ESPALIER_GONE;
  }
  std::optional<sdk::Refusal> refusal_locked(Call call) {
    const auto it = refusals_.find(call);
    if (it == refusals_.end()) return std::nullopt;
    const auto refusal = it->second.refusal;
    if (it->second.left != kForever && --it->second.left == 0) refusals_.erase(it);
    return refusal;
  }
  // What goes wrong with the next op, counting it.
  Fault next_fault_locked() {
    if (faults_.empty()) return Fault::none;
    auto& next = faults_.front();
    if (next.after > 0) return --next.after, Fault::none;
    const auto fault = next.fault;
    if (--next.times == 0) faults_.pop_front();
    return fault;
  }
  // True as long as the device lives; false when this op is the one at which it dies.
  bool survives_op_locked() {
    if (lose_after_.first == kForever) return true;
    if (lose_after_.first == 0) return lose_locked(lose_after_.second), false;
    --lose_after_.first;
    return true;
  }

  void wait_while_hanging() {
    std::unique_lock lock(mutex_);
    resumed_.wait(lock, [this] { return !hanging_; });
  }

  mutable std::mutex mutex_;
  std::condition_variable resumed_;
  bool hanging_ = false;
  std::uint64_t index_ = 0;  // of the device in its backend
  std::uint64_t generation_ = 0;
  const espalier_host* host_ = nullptr;
  std::map<Call, Times> refusals_;
  std::deque<Planned> faults_;
  std::pair<std::uint64_t, std::string> lose_after_{kForever, ""};
  std::pair<std::uint32_t, std::string> health_{ESPALIER_UP, ""};
  bool plugged_ = true;
  std::uint64_t completions_left_ = kForever;
  std::uint32_t accept_at_most_ = std::numeric_limits<std::uint32_t>::max();
  Order order_ = Order::fifo;
  std::mt19937_64 random_{1};
  std::chrono::nanoseconds latency_{0};
  std::uint64_t poll_delay_ = 0;
  std::uint64_t sa_capacity_ = kForever;
  std::optional<std::uint64_t> reported_used_;
  std::vector<espalier_op*> in_flight_;
  std::uint64_t next_session_ = 1;
  FakeCounters counters_;
  std::vector<std::string> violations_;
};

}  // namespace espalier::mock
