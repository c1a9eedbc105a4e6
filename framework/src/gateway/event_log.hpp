// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace espalier {

// An event with its place in the life of the gateway.
struct LoggedEvent {
  std::uint64_t number = 0;  // from 1, without gaps
  std::chrono::system_clock::time_point at{};
  GatewayEvent event;
};

// {"number":1,"time":"2026-01-31T12:00:00Z","kind":"sa.soft_lifetime","sa":"a/out","text":"..."}
nlohmann::ordered_json to_json(const LoggedEvent& event);

// The events of late, for those who ask after the fact. [control]
class EventLog {
 public:
  static constexpr std::size_t kKept = 256;

  // The reference is valid until the next call.
  const LoggedEvent& add(GatewayEvent event, std::chrono::system_clock::time_point at);
  const std::deque<LoggedEvent>& kept() const noexcept { return kept_; }  // oldest first

 private:
  std::deque<LoggedEvent> kept_;
  std::uint64_t last_ = 0;
};

}  // namespace espalier
