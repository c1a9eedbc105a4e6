// SPDX-License-Identifier: Apache-2.0
#include "gateway/monitor.hpp"

#include <utility>

namespace espalier {
namespace {

// After the last activity: in the first look packets may still be with a device, the second gives
// these a rate, and the third takes it from them.
constexpr int kLooksAtRest = 2;

}  // namespace

Monitor::Monitor(SaControl& gateway, std::vector<std::shared_ptr<const PortCounters>> ports)
    : gateway_(gateway), ports_(std::move(ports)) {}

bool Monitor::is_quiet() {
  const std::uint64_t now = gateway_.activity();
  rounds_at_rest_ = std::exchange(activity_, now) == now ? rounds_at_rest_ + 1 : 0;
  return rounds_at_rest_ > kLooksAtRest && !silence_.is_waiting();
}

Monitor::News Monitor::sample(Time now) {
  last_ = now;
  if (is_quiet()) {
    rates_.rest(now);
    return {};
  }
  const auto sas = gateway_.traffic();
  rates_.begin_round();
  for (const SaTraffic& sa : sas) rates_.sample(sa.name, sa.counters.bytes, now);
  rates_.end_round();
  News news{silence_.look(sas, now), {}};
  if (!refusal_told_ && total(&PortCounters::segmentation_refused) > 0) {
    refusal_told_ = true;
    news.warnings.push_back(
        "The system refuses to cut large UDP messages on the way to a peer, as it does where a "
        "device cannot compute checksums: ESP packets are sent one by one from now on.");
  }
  return news;
}

std::vector<SaReport> Monitor::reports(std::string_view after, std::size_t most) const {
  std::vector<SaReport> reports;
  for (const GatewaySa& sa : gateway_.list(after, most)) {
    SaReport& report = reports.emplace_back(make_report(sa));
    const Rate rate = rates_.rate(report.name);
    report.bits_per_second = rate.bits_per_second;
    report.peak_bits_per_second = rate.peak_bits_per_second;
    if (const auto silent = silent_for(sa.spec.peer.address))
      report.peer_silent_seconds = static_cast<std::uint64_t>(silent->count());
  }
  return reports;
}

std::uint64_t Monitor::total(std::atomic<std::uint64_t> PortCounters::* counter) const {
  std::uint64_t sum = 0;
  for (const auto& counters : ports_) sum += ((*counters).*counter).load(std::memory_order_relaxed);
  return sum;
}

nlohmann::ordered_json Monitor::port_counters() const {
  return {{"keepalives", total(&PortCounters::keepalives)},
          {"ike", total(&PortCounters::ike)},
          {"runts", total(&PortCounters::runts)},
          {"truncated", total(&PortCounters::truncated)},
          {"receive_errors", total(&PortCounters::receive_errors)},
          {"too_big", total(&PortCounters::too_big)},
          {"send_errors", total(&PortCounters::send_errors)},
          {"segmentation_refused", total(&PortCounters::segmentation_refused)}};
}

}  // namespace espalier
