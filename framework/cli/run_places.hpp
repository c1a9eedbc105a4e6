// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/placer.hpp>

#include <vector>

namespace espalier::cli {

// That every SA has a place to go under this policy, before its one-time keys are claimed.
Result<void> check_places(const std::vector<SaSpec>& specs, const Placer& placer,
                          const Policy& policy);

}  // namespace espalier::cli
