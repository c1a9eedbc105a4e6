// SPDX-License-Identifier: Apache-2.0
#include "place/snapshot.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace espalier {
namespace {

void count(CapacityPool& pool, const DeviceName& name, const Ledger& ledger) {
  const bool ours = pool.kind == PoolKind::sas && pool.use == PoolUse::counted;
  if (ours) pool.used = ledger.on_device(name, pool.directions);
}

template <typename T>
bool names(const std::vector<T>& all, std::string_view name) {
  return std::ranges::find(all, name, &T::name) != all.end();
}

}  // namespace

// Without its pools: nobody counts them.
void Snapshot::remember_gone(const BackendInfo& before, BackendInfo& now) {
  for (const auto& device : before.devices) {
    if (names(now.devices, device.name)) continue;
    Device& gone = now.devices.emplace_back(device);
    gone.state = DeviceState::lost;
    gone.state_reason = "it is no longer there";
    gone.retry_in_ms = 0;
    gone.pools.clear();
  }
}

void Snapshot::read(std::vector<BackendInfo> backends, const Ledger& ledger) {
  const auto before = std::exchange(inventory_.backends, std::move(backends));
  inventory_.load.clear();
  devices_.clear();
  for (auto& backend : inventory_.backends) {
    inventory_.load.push_back({backend.name, ledger.on_backend(backend.name)});
    const std::size_t there = backend.devices.size();
    for (const auto& old : before)
      if (old.name == backend.name) remember_gone(old, backend);
    for (auto& device : std::span(backend.devices).first(there)) {
      const auto it = devices_.emplace(DeviceName{backend.name, device.name}, &device).first;
      for (auto& pool : device.pools) count(pool, it->first, ledger);
    }
  }
}

const Device* Snapshot::find(const DeviceName& name) const {
  const auto it = devices_.find(name);
  return it == devices_.end() ? nullptr : it->second;
}

void Snapshot::mark(const DeviceHealth& health, DeviceHealth::TimePoint now) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  for (const auto& [name, record] : health.records()) {
    if (record.trust != DeviceHealth::Trust::quarantined) continue;
    const auto it = devices_.find(name);
    if (it == devices_.end()) continue;
    Device& device = *it->second;
    device.state = DeviceState::quarantined;
    device.state_reason = record.why;
    const auto left = std::max(ceil<milliseconds>(record.until - now), milliseconds(0));
    device.retry_in_ms = static_cast<std::uint64_t>(left.count());
  }
}

void Snapshot::moved(const Ledger::Place& place, const Ledger& ledger, bool came) {
  for (auto& load : inventory_.load) {
    if (load.backend == place.device.backend) load.sas = came ? load.sas + 1 : load.sas - 1;
  }
  const auto it = devices_.find(place.device);
  if (it == devices_.end()) return;
  const auto bit = static_cast<std::uint32_t>(place.direction);
  for (auto& pool : it->second->pools) {
    count(pool, place.device, ledger);
    const bool live = pool.kind == PoolKind::sas && pool.use == PoolUse::live;
    if (!live || (pool.directions & bit) == 0) continue;
    if (came) ++pool.used;
    if (!came && pool.used > 0) --pool.used;
  }
}

}  // namespace espalier
