// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <fake_faults.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::fault {

using mock::Call;
using mock::Fault;
using mock::Order;

inline constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

// Which of those that come by are meant: after so many, every so manyth, so many in all.
struct When {
  std::uint64_t after = 0;
  std::uint64_t every = 1;
  std::uint64_t times = kForever;
  std::uint64_t one_in = 1;  // by chance, from the seed
};

struct RefusalRule {
  Call call = Call::session_open;
  espalier_status status = ESPALIER_TRANSIENT;
  When when;
};

struct OpRule {
  Fault fault = Fault::none;
  When when;
};

// What shall go wrong: the options of the backend, as values.
struct Script {
  std::string backend;  // the decorated one; "": there are no options, and no devices
  std::string backend_options = "{}";
  std::uint64_t seed = 1;
  std::chrono::microseconds delay{0};  // a completion is late by at least this
  Order order = Order::fifo;
  std::uint32_t accept = std::numeric_limits<std::uint32_t>::max();  // ops of a submit, at most
  std::uint64_t unplug_at = kForever;                                // ops after which it is gone
  std::optional<std::chrono::milliseconds> back_after;               // comes back, as a new device
  std::optional<std::uint32_t> health;                               // said whatever the truth is
  std::vector<RefusalRule> refusals;
  std::vector<OpRule> ops;
};

// Throws a Refusal that names the option which cannot be understood.
Script read_script(std::string_view options);

}  // namespace espalier::fault
