// SPDX-License-Identifier: Apache-2.0
#include "plan_sas.hpp"

#include <algorithm>

namespace espalier::cli {
namespace {

void count_in(Inventory& inventory, const Candidate& chosen, Direction direction) {
  const auto load = std::ranges::find(inventory.load, chosen.backend, &BackendLoad::backend);
  if (load == inventory.load.end())
    inventory.load.push_back({chosen.backend, 1});
  else
    ++load->sas;
  const auto backend = std::ranges::find(inventory.backends, chosen.backend, &BackendInfo::name);
  const auto device = std::ranges::find(backend->devices, chosen.device, &Device::name);
  for (CapacityPool& pool : device->pools)
    if (pool.kind == PoolKind::sas && (pool.directions & std::uint32_t(direction)) != 0)
      ++pool.used;
}

}  // namespace

void count_out(Inventory& inventory, const Home& home, Direction direction) {
  for (BackendLoad& load : inventory.load)
    if (load.backend == home.backend && load.sas > 0) --load.sas;
  for (BackendInfo& backend : inventory.backends)
    for (Device& device : backend.devices) {
      if (backend.name != home.backend || device.name != home.device) continue;
      for (CapacityPool& pool : device.pools)
        if (pool.kind == PoolKind::sas && (pool.directions & std::uint32_t(direction)) != 0 &&
            pool.used > 0)
          --pool.used;
    }
  std::erase_if(inventory.refusals, [&](const Refusal& refusal) {
    return refusal.code == ErrorCode::capacity && refusal.backend == home.backend &&
           refusal.device == home.device;
  });
}

std::vector<PlannedSa> plan_sas(const std::vector<SaSpec>& sas, Inventory inventory,
                                const Policy& policy) {
  std::vector<PlannedSa> planned;
  for (const SaSpec& sa : sas) {
    Decision decision = select(sa, inventory, policy);
    if (decision.chosen)
      count_in(inventory, decision.candidates.at(*decision.chosen), sa.direction);
    planned.push_back({sa, std::move(decision)});
  }
  return planned;
}

}  // namespace espalier::cli
