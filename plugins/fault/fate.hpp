// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "script.hpp"

#include <functional>
#include <mutex>
#include <random>

namespace espalier::fault {

// A script as it is carried out: counts what comes by and says what becomes of it. Of one backend,
// all of whose devices are unplugged together. Thread-safe.
class Fate {
 public:
  // `now` in nanoseconds; `tell` is called with ESPALIER_EVENT_DEVICE_*, without a lock held.
  Fate(Script script, std::function<std::uint64_t()> now, std::function<void(std::int32_t)> tell);

  const Script& script() const noexcept { return script_; }
  std::uint64_t now() const { return now_(); }

  // How often the devices have come back; nothing while they are unplugged. What was opened before
  // they were last unplugged is dead for good.
  std::optional<std::uint64_t> plugged();
  bool alive(std::uint64_t generation) { return plugged() == generation; }

  std::optional<sdk::Refusal> refusal(Call call);
  // What becomes of the next op; nothing when it is the one at which the devices are gone.
  std::optional<Fault> next_op(std::uint64_t generation);
  std::uint64_t random(std::uint64_t below);

 private:
  struct Count {
    std::uint64_t seen = 0, hit = 0;
  };
  bool applies(const When& when, Count& count);  // under the mutex, as what follows

  const Script script_;
  const std::function<std::uint64_t()> now_;
  const std::function<void(std::int32_t)> tell_;

  std::mutex mutex_;
  std::mt19937_64 random_;
  std::vector<Count> refusal_counts_, op_counts_;
  std::uint64_t ops_ = 0;
  std::uint64_t generation_ = 0;
  std::optional<std::uint64_t> unplugged_ns_;
};

}  // namespace espalier::fault
