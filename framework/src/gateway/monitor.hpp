// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>
#include <espalier/wire_port.hpp>

#include "observe/rate_meter.hpp"
#include "observe/sa_report.hpp"
#include "observe/silence_watch.hpp"

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Watches a running gateway: rates, silent peers, what the ports saw. [control]
class Monitor {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Monitor(SaControl& gateway, std::vector<std::shared_ptr<const PortCounters>> ports);

  // What is to be told, each once.
  struct News {
    std::vector<GatewayEvent> events;  // not logged yet
    std::vector<std::string> warnings;
  };
  // To be called about every second. Where nothing goes on it looks at no SA.
  News sample(Time now);

  // Of the SAs that SaControl::list() would give.
  std::vector<SaReport> reports(std::string_view after = {},
                                std::size_t most = std::numeric_limits<std::size_t>::max()) const;
  // Of a peer that is sent packets in vain, at the last sample.
  std::optional<std::chrono::seconds> silent_for(const IpAddress& peer) const {
    return silence_.silent_for(peer, last_);
  }
  nlohmann::ordered_json port_counters() const;  // sums over all ports

 private:
  bool is_quiet();
  std::uint64_t total(std::atomic<std::uint64_t> PortCounters::* counter) const;  // over all ports

  SaControl& gateway_;
  std::vector<std::shared_ptr<const PortCounters>> ports_;
  RateMeter rates_;
  SilenceWatch silence_;
  Time last_{};  // sample
  std::uint64_t activity_ = 0;
  int rounds_at_rest_ = 0;
  bool refusal_told_ = false;
};

}  // namespace espalier
