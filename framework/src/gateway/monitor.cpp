// SPDX-License-Identifier: Apache-2.0
#include "gateway/monitor.hpp"

#include <utility>

namespace espalier {

Monitor::Monitor(Gateway& gateway, std::vector<std::shared_ptr<const PortCounters>> ports)
    : gateway_(gateway), ports_(std::move(ports)) {}

std::vector<std::string> Monitor::sample(Time now) {
  const auto sas = gateway_.traffic();
  rates_.begin_round();
  for (const SaTraffic& sa : sas) rates_.sample(sa.name, sa.counters.bytes, now);
  rates_.end_round();
  return silence_.look(sas, now);
}

std::vector<SaReport> Monitor::reports(std::string_view after, std::size_t most) const {
  std::vector<SaReport> reports;
  for (const GatewaySa& sa : gateway_.list(after, most)) {
    SaReport& report = reports.emplace_back(make_report(sa));
    const Rate rate = rates_.rate(report.name);
    report.bits_per_second = rate.bits_per_second;
    report.peak_bits_per_second = rate.peak_bits_per_second;
  }
  return reports;
}

nlohmann::ordered_json Monitor::port_counters() const {
  const auto sum = [this](auto member) {
    std::uint64_t total = 0;
    for (const auto& counters : ports_)
      total += ((*counters).*member).load(std::memory_order_relaxed);
    return total;
  };
  return {{"keepalives", sum(&PortCounters::keepalives)},
          {"ike", sum(&PortCounters::ike)},
          {"runts", sum(&PortCounters::runts)},
          {"truncated", sum(&PortCounters::truncated)},
          {"receive_errors", sum(&PortCounters::receive_errors)},
          {"too_big", sum(&PortCounters::too_big)},
          {"send_errors", sum(&PortCounters::send_errors)}};
}

}  // namespace espalier
