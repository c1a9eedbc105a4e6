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
