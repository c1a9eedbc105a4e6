// SPDX-License-Identifier: Apache-2.0
#include "run_places.hpp"

#include "observe/render.hpp"

#include <fmt/format.h>

namespace espalier::cli {

Result<void> check_places(const std::vector<SaSpec>& specs, const Placer& placer,
                          const Policy& policy) {
  const Inventory inventory = placer.inventory();
  for (const SaSpec& spec : specs) {
    const Decision decision = select(spec, inventory, policy);
    if (!decision.chosen)
      return fail(ErrorCode::unsupported,
                  fmt::format("No backend is left for SA '{}'. Allow another in the policy, or "
                              "change its transform. What was considered:\n{}",
                              spec.name, to_text(decision)));
  }
  return {};
}

}  // namespace espalier::cli
