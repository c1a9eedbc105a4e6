// SPDX-License-Identifier: Apache-2.0
#include <espalier/placer.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "place/health.hpp"
#include "place/ledger.hpp"
#include "place/refusal_memory.hpp"
#include "place/snapshot.hpp"

namespace espalier {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;
constexpr std::chrono::seconds kReadEvery{1};

// Whether a candidate that is passed over for this reason may take the SA at another time.
bool may_change(Reason reason) {
  switch (reason) {
    case Reason::policy_limit:
    case Reason::device_down:
    case Reason::device_lost:
    case Reason::device_quarantined:
    case Reason::capacity_sas:
    case Reason::capacity_queue:
    case Reason::capacity_throughput:
    case Reason::refused_transient:
      return true;
    default:
      return false;
  }
}

Error nobody_took_it(const Decision& decision) {
  const auto any = [&](auto&& is) {
    return std::ranges::any_of(decision.candidates, is, &Candidate::reason);
  };
  ErrorCode code = ErrorCode::unsupported;
  const char* advice = "change its transform, or the policy's backends";
  if (any(may_change)) {
    code = ErrorCode::capacity;
    advice = "try again when something has changed";
  } else if (any([](Reason reason) { return reason == Reason::refused_invalid; })) {
    code = ErrorCode::invalid;
    advice = "look at its keys";
  }
  return {code,
          fmt::format("no backend takes SA '{}'; {}:\n{}", decision.sa, advice, to_text(decision))};
}

DeviceName name_of(const Home& home) {
  return {std::string(home.backend), std::string(home.device)};
}
Ledger::Place place_of(const SaSpec& sa, const Home& home) { return {name_of(home), sa.direction}; }

}  // namespace

struct Placer::Impl {
  Impl(Registry& r, Policy p, Clock c, Dataplane dataplane)
      : registry(r), policy(std::move(p)), clock(std::move(c)), snapshot(dataplane) {}

  Result<Choice> place(const SaSpec& sa, const Attempt& attempt, const std::optional<Home>& home);
  Result<Choice> choose(const SaSpec& sa, const Attempt& attempt);
  Result<void> reopen(const DeviceName& name, const Device& device);
  void note_refusal(const DeviceName& name, const SaSpec& sa, const Error& error);
  void enter(const Ledger::Place& place);
  bool leave(const Ledger::Place& place);  // false: no SA was there
  void forget(bool a_refusal) { epoch += a_refusal ? 1 : 0; }

  void catch_up(TimePoint now);
  void read(TimePoint now);
  void take_up(const std::vector<DeviceEvent>& events, TimePoint now);
  void find_losses(const std::map<DeviceName, std::uint64_t>& before, TimePoint now);
  void probe(const DeviceName& name, TimePoint now);
  void lose(const DeviceName& name, std::string_view why, TimePoint now);
  void cut_off(const DeviceName& name, TimePoint now);

  Registry& registry;
  Policy policy;
  Clock clock;
  Snapshot snapshot;
  Ledger ledger;
  RefusalMemory refusals;
  DeviceHealth health;
  std::vector<LostDevice> lost;          // for take_lost()
  std::vector<ReturnedDevice> returned;  // for take_returned()
  std::vector<BackendInfo> seen;         // as the backends described themselves at the last reading
  std::uint64_t epoch = 0;
  TimePoint next_read;
};

// ---- Placing ----------------------------------------------------------------------------------

Result<Choice> Placer::Impl::place(const SaSpec& sa, const Attempt& attempt,
                                   const std::optional<Home>& home) {
  catch_up(clock());
  // The choice is made as if the SA were nowhere: a limit that it fills itself is no limit to it.
  const bool counted = home && leave(place_of(sa, *home));
  auto placed = choose(sa, attempt);
  if (counted) enter(place_of(sa, *home));
  if (placed) enter({{placed->backend, placed->device}, sa.direction});
  return placed;
}

Result<Choice> Placer::Impl::choose(const SaSpec& sa, const Attempt& attempt) {
  snapshot.set_refusals(refusals.against(sa));
  // Each turn rules out one device, or ends.
  for (std::size_t turn = 0; turn <= snapshot.devices().size(); ++turn) {
    auto decision = std::make_shared<const Decision>(select(sa, snapshot.inventory(), policy));
    if (!decision->chosen) return std::unexpected(nobody_took_it(*decision));
    const Candidate& chosen = decision->candidates[*decision->chosen];
    const DeviceName name{chosen.backend, chosen.device};
    const auto tried = attempt(name.backend, *snapshot.find(name));
    if (tried) {
      health.proven(name);
      return Choice{std::move(decision), name.backend, name.device};
    }
    const ErrorCode code = tried.error().code;
    if (code == ErrorCode::conflict || code == ErrorCode::io) return std::unexpected(tried.error());
    note_refusal(name, sa, tried.error());
  }
  return fail(
      ErrorCode::transient,
      fmt::format("SA '{}' was refused by more devices than there are; try again", sa.name));
}

void Placer::Impl::note_refusal(const DeviceName& name, const SaSpec& sa, const Error& error) {
  const TimePoint now = clock();
  snapshot.add_refusal({name.backend, name.device, sa.name, error.code, error.message});
  if (error.code == ErrorCode::lost) return lose(name, error.message, now);
  if (const Device* device = snapshot.find(name)) {
    refusals.remember(name, *device, sa, error, ledger.on_device(name), now);
  }
}

void Placer::Impl::enter(const Ledger::Place& place) {
  ledger.add(place);
  snapshot.came(place, ledger);
}

bool Placer::Impl::leave(const Ledger::Place& place) {
  if (!ledger.remove(place)) return false;
  snapshot.left(place, ledger);
  return true;
}

// ---- Keeping the snapshot true ----------------------------------------------------------------

void Placer::Impl::catch_up(TimePoint now) {
  forget(refusals.expire(now));
  const auto events = registry.take_events();
  take_up(events, now);
  if (!events.empty() || now >= next_read || health.any_due(now)) read(now);
  snapshot.mark(health, now);
}

void Placer::Impl::take_up(const std::vector<DeviceEvent>& events, TimePoint now) {
  for (const auto& event : events) {
    for (const auto& [name, device] : snapshot.devices()) {
      if (name.backend != event.backend || device->id != event.device) continue;
      if (event.event == ESPALIER_EVENT_CAPACITY_FREED) forget(refusals.room_freed(name));
      if (event.event == ESPALIER_EVENT_DEVICE_LOST)
        lose(name, "its backend reported it lost", now);
    }
  }
}

void Placer::Impl::read(TimePoint now) {
  std::map<DeviceName, std::uint64_t> before;
  for (const auto& [name, device] : snapshot.devices()) before.emplace(name, device->id);
  auto backends = registry.backends();
  if (backends != seen) {
    seen = backends;
    ++epoch;
  }
  snapshot.read(std::move(backends), ledger);
  next_read = now + kReadEvery;
  find_losses(before, now);
  // Those that were still away when their quarantine was over.
  for (const auto& [name, device] : snapshot.devices())
    if (!before.contains(name) && health.trust(name) == DeviceHealth::Trust::probation)
      returned.push_back({name.backend, name.device});
  for (const auto& name : health.due(now)) probe(name, now);
  for (const auto& [name, device] : snapshot.devices()) forget(refusals.pools_read(name, *device));
}

// Devices that were gone at this reading, or gone and back between two.
void Placer::Impl::find_losses(const std::map<DeviceName, std::uint64_t>& before, TimePoint now) {
  for (const auto& [name, id] : before) {
    const Device* device = snapshot.find(name);
    const char* why = nullptr;
    if (device == nullptr) {
      why = "it is no longer there";
    } else if (device->id != id) {
      why = "it went and came back as a new device";
    } else if (device->state == DeviceState::lost) {
      why = device->state_reason.empty() ? "its health says so" : device->state_reason.c_str();
    }
    if (why == nullptr || health.trust(name) == DeviceHealth::Trust::quarantined) continue;
    if (ledger.on_device(name) > 0) {
      lose(name, why, now);
    } else {
      cut_off(name, now);
    }
  }
}

// Before a device is trusted again it must say that it works, and open.
void Placer::Impl::probe(const DeviceName& name, TimePoint now) {
  const Device* device = snapshot.find(name);
  if (device == nullptr) return health.probe_passed(name, now);  // nothing left to keep away from
  if (device->state == DeviceState::lost) {
    return health.probe_failed(name, device->state_reason, now);
  }
  const auto opened = reopen(name, *device);
  if (!opened) return health.probe_failed(name, opened.error().message, now);
  health.probe_passed(name, now);
  returned.push_back({name.backend, name.device});
  ++epoch;
}

// There is nothing to open of a device that works in the kernel: that it is there is all.
Result<void> Placer::Impl::reopen(const DeviceName& name, const Device& device) {
  if (device.dataplane == Dataplane::kernel) return {};
  registry.forget(name.backend, name.device);
  auto opened = registry.open(name.backend, name.device);
  if (!opened) return std::unexpected(std::move(opened.error()));
  return {};
}

// A loss that the caller does not know of yet.
void Placer::Impl::lose(const DeviceName& name, std::string_view why, TimePoint now) {
  const auto trust = health.trust(name);
  if (trust == DeviceHealth::Trust::quarantined) return;
  if (trust == DeviceHealth::Trust::probation) {
    health.probe_failed(name, why, now);
  } else {
    health.lost(name, why, now);
  }
  if (ledger.on_device(name) > 0) lost.push_back({name.backend, name.device, std::string(why)});
  cut_off(name, now);
}

void Placer::Impl::cut_off(const DeviceName& name, TimePoint now) {
  registry.forget(name.backend, name.device);
  refusals.device_lost(name);
  snapshot.mark(health, now);
}

// ---- The interface ----------------------------------------------------------------------------

Placer::Placer(Registry& registry, Policy policy, Clock clock, Dataplane dataplane)
    : impl_(std::make_unique<Impl>(registry, std::move(policy), std::move(clock), dataplane)) {
  impl_->read(impl_->clock());
}
Placer::~Placer() = default;

Result<Placement> Placer::place(const SaSpec& sa, const SaKeys& keys, std::optional<Home> home) {
  Session session;
  const auto open = [&](std::string_view backend, const Device& device) -> Result<void> {
    auto opened = impl_->registry.open(backend, device.name);
    if (!opened) return std::unexpected(std::move(opened.error()));
    auto given = (*opened)->open_session(sa, keys);
    if (!given) return std::unexpected(std::move(given.error()));
    session = std::move(*given);
    return {};
  };
  auto choice = impl_->place(sa, open, home);
  if (!choice) return std::unexpected(std::move(choice.error()));
  return Placement{std::move(choice->decision), std::move(choice->backend),
                   std::move(choice->device), std::move(session)};
}

Result<Choice> Placer::place_by(const SaSpec& sa, const Attempt& attempt,
                                std::optional<Home> home) {
  return impl_->place(sa, attempt, home);
}

void Placer::moved(const SaSpec& sa, const Home& from) {
  if (impl_->leave(place_of(sa, from))) ++impl_->epoch;
}

void Placer::release(const SaSpec& sa, const Home& home) {
  if (!impl_->leave(place_of(sa, home))) return;
  ++impl_->epoch;
  impl_->refusals.room_freed(name_of(home), static_cast<std::uint32_t>(sa.direction));
}

void Placer::room_freed(std::string_view backend, std::string_view device) {
  impl_->forget(impl_->refusals.room_freed({std::string(backend), std::string(device)}));
}

void Placer::refused(const SaSpec& sa, const Home& by, const Error& error) {
  const std::uint64_t before = impl_->epoch;
  release(sa, by);
  impl_->epoch = before;  // no more room than before it was asked
  impl_->note_refusal(name_of(by), sa, error);
}

void Placer::report_lost(std::string_view backend, std::string_view device, std::string_view why) {
  const DeviceName name{std::string(backend), std::string(device)};
  const TimePoint now = impl_->clock();
  if (impl_->health.lost(name, why, now)) impl_->cut_off(name, now);
}

void Placer::refresh() {
  const TimePoint now = impl_->clock();
  impl_->next_read = now;
  impl_->catch_up(now);
}

std::vector<ReturnedDevice> Placer::take_returned() { return std::exchange(impl_->returned, {}); }

std::vector<LostDevice> Placer::take_lost() { return std::exchange(impl_->lost, {}); }

std::uint64_t Placer::epoch() const noexcept { return impl_->epoch; }

Inventory Placer::inventory() const {
  impl_->snapshot.mark(impl_->health, impl_->clock());
  Inventory current = impl_->snapshot.inventory();
  current.refusals = impl_->refusals.all();
  return current;
}

const Policy& Placer::policy() const noexcept { return impl_->policy; }
void Placer::set_policy(Policy policy) {
  impl_->policy = std::move(policy);
  ++impl_->epoch;
}

}  // namespace espalier
