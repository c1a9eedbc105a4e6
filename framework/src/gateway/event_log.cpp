// SPDX-License-Identifier: Apache-2.0
#include "gateway/event_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <utility>

namespace espalier {

nlohmann::ordered_json to_json(const LoggedEvent& event) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(event.at);
  return {{"number", event.number},
          {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds))},
          {"kind", to_string(event.event.kind)},
          {"sa", event.event.sa},
          {"text", event.event.text}};
}

const LoggedEvent& EventLog::add(GatewayEvent event, std::chrono::system_clock::time_point at) {
  if (kept_.size() == kKept) kept_.pop_front();
  return kept_.emplace_back(++last_, at, std::move(event));
}

}  // namespace espalier
