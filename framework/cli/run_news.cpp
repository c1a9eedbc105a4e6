// SPDX-License-Identifier: Apache-2.0
#include "run_news.hpp"

#include "gateway/control_service.hpp"

#include <chrono>
#include <utility>

namespace espalier::cli {

void tell_news(std::vector<GatewayEvent> events, Monitor& monitor, ControlService& service,
               ControlServer& server, const Log& log) {
  auto news = monitor.sample(std::chrono::steady_clock::now());
  for (GatewayEvent& event : news.events) {
    log(log_level(event.kind), event.text);
    events.push_back(std::move(event));
  }
  for (GatewayEvent& event : events) server.publish(service.note(std::move(event)));
}

}  // namespace espalier::cli
