// SPDX-License-Identifier: Apache-2.0
//
// The adopted SAs, as people see them.
#include "adopt/adopter.hpp"
#include "gateway/kernel_counters.hpp"
#include "xfrm/software_backend.hpp"

#include <utility>

namespace espalier::adopt {
namespace {

Error not_here() {
  return {ErrorCode::unsupported,
          "SAs are adopted here: the IKE daemon adds, rekeys and removes them."};
}

}  // namespace

Result<std::shared_ptr<const Decision>> Adopter::add(const SaSpec&, SaKeys&&) {
  return std::unexpected(not_here());
}
Result<void> Adopter::remove(std::string_view) { return std::unexpected(not_here()); }
Result<std::shared_ptr<const Decision>> Adopter::rekey(std::string_view, const SaSpec&, SaKeys&&,
                                                       std::chrono::milliseconds) {
  return std::unexpected(not_here());
}

// What no backend was given is in the kernel's software, or where its owner has put it.
GatewaySa Adopter::describe(const Entry& entry) const {
  const SaCounters counters = counters_of(entry.spec, entry.state);
  SaStatus status;
  status.name = entry.spec.name;
  status.direction = entry.spec.direction;
  status.spi = entry.spec.spi;
  const auto& home = entry.standing.home;
  status.backend = home ? home->first : xfrm::kSoftwareBackend;
  status.device = home ? home->second : entry.state.held_by ? "offloaded" : "software";
  status.sequence = counters.sequence;
  status.packets = counters.packets;
  status.bytes = counters.bytes;
  status.errors = counters.errors;
  status.peer = entry.spec.peer;
  status.expired = entry.life.is_shut();
  return {entry.spec, entry.standing.decision, std::move(status), entry.standing.driver,
          entry.life.note()};
}

std::vector<GatewaySa> Adopter::list(std::string_view after, std::size_t most) const {
  std::vector<GatewaySa> some;
  for (auto sa = sas_.upper_bound(after); sa != sas_.end() && some.size() < most; ++sa)
    some.push_back(describe(sa->second));
  return some;
}

std::optional<GatewaySa> Adopter::find(std::string_view sa) const {
  const auto found = sas_.find(sa);
  if (found == sas_.end()) return std::nullopt;
  return describe(found->second);
}

std::vector<SaTraffic> Adopter::traffic() const {
  std::vector<SaTraffic> all;
  all.reserve(sas_.size());
  for (const auto& [name, entry] : sas_)
    all.push_back({name, &entry.spec, counters_of(entry.spec, entry.state)});
  return all;
}

std::uint64_t Adopter::activity() const noexcept {
  std::uint64_t packets = 0;
  for (const auto& [name, entry] : sas_) packets += entry.state.packets;
  return packets;
}

DropCounts Adopter::drops() const {
  DropCounts counts{};
  for (const auto& [name, entry] : sas_) add_drops(entry.state, counts);
  return counts;
}

}  // namespace espalier::adopt
