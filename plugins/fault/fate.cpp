// SPDX-License-Identifier: Apache-2.0
#include "fate.hpp"

#include <utility>

namespace espalier::fault {

Fate::Fate(Script script, std::function<std::uint64_t()> now,
           std::function<void(std::int32_t)> tell)
    : script_(std::move(script)),
      now_(std::move(now)),
      tell_(std::move(tell)),
      random_(script_.seed),
      refusal_counts_(script_.refusals.size()),
      op_counts_(script_.ops.size()) {}

std::optional<std::uint64_t> Fate::plugged() {
  {
    const std::lock_guard lock(mutex_);
    if (!unplugged_ns_) return generation_;
    if (!script_.back_after) return std::nullopt;
    const std::chrono::nanoseconds wait = *script_.back_after;
    if (now_() < *unplugged_ns_ + static_cast<std::uint64_t>(wait.count())) return std::nullopt;
    unplugged_ns_.reset();
    ++generation_;
  }
  tell_(ESPALIER_EVENT_DEVICE_ADDED);
  return plugged();
}

std::optional<sdk::Refusal> Fate::refusal(Call call) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < script_.refusals.size(); ++i) {
    const RefusalRule& rule = script_.refusals[i];
    if (rule.call == call && applies(rule.when, refusal_counts_[i]))
      return sdk::Refusal{rule.status, "refused by the script of the fault backend"};
  }
  return std::nullopt;
}

std::optional<Fault> Fate::next_op(std::uint64_t generation) {
  if (!alive(generation)) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    if (ops_++ != script_.unplug_at) {
      Fault fault = Fault::none;
      for (std::size_t i = 0; i < script_.ops.size(); ++i)  // all count it, the first one wins
        if (applies(script_.ops[i].when, op_counts_[i]) && fault == Fault::none)
          fault = script_.ops[i].fault;
      return fault;
    }
    unplugged_ns_ = now_();
  }
  tell_(ESPALIER_EVENT_DEVICE_LOST);
  return std::nullopt;
}

std::uint64_t Fate::random(std::uint64_t below) {
  const std::lock_guard lock(mutex_);
  return random_() % below;
}

bool Fate::applies(const When& when, Count& count) {
  const std::uint64_t before = count.seen++;
  if (before < when.after || (before - when.after) % when.every != 0) return false;
  if (count.hit == when.times || (when.one_in > 1 && random_() % when.one_in != 0)) return false;
  ++count.hit;
  return true;
}

}  // namespace espalier::fault
