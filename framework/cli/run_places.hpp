// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <vector>

namespace espalier::cli {

// That every SA has a place to go under this policy, before its one-time keys are claimed, once
// those that are `leaving` have made room.
Result<void> check_places(const std::vector<SaSpec>& specs, const Placer& placer,
                          const Policy& policy, const std::vector<GatewaySa>& leaving = {});

}  // namespace espalier::cli
