// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <select/fit.hpp>

#include <string_view>
#include <vector>

namespace espalier {

// The refusals of an inventory that concern one SA: its own and those for every SA.
std::vector<const Refusal*> refusals_for(const SaSpec& sa, const Inventory& inventory);

// Whether the device has refused. Of several refusals the gravest counts, in ErrorCode's order.
Finding check_refusals(std::string_view backend, std::string_view device,
                       const std::vector<const Refusal*>& refusals);

// Whether the operator's limit on the backend leaves room for one more SA.
Finding check_policy_limit(std::string_view backend, const Inventory& inventory,
                           const Policy& policy);

// Whether every pool of SAs of that direction has room for one more. A pool whose use is unknown
// passes: only the device can tell.
Finding check_pools(Direction direction, const Device& device);

}  // namespace espalier
