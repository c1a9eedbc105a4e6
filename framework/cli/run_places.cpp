// SPDX-License-Identifier: Apache-2.0
#include "run_places.hpp"

#include "plan_sas.hpp"

#include <fmt/format.h>

#include <utility>

namespace espalier::cli {

Result<void> check_places(const std::vector<SaSpec>& specs, const Placer& placer,
                          const Policy& policy, const std::vector<GatewaySa>& leaving) {
  Inventory inventory = placer.inventory();
  for (const GatewaySa& sa : leaving)
    count_out(inventory, {sa.status.backend, sa.status.device}, sa.spec.direction);
  for (const PlannedSa& planned : plan_sas(specs, std::move(inventory), policy))
    if (!planned.decision.chosen)
      return fail(ErrorCode::unsupported,
                  fmt::format("No backend is left for SA '{}'. Allow another in the policy, or "
                              "change its transform. What was considered:\n{}",
                              planned.spec.name, to_text(planned.decision)));
  return {};
}

}  // namespace espalier::cli
