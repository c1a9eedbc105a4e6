// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "xfrm/policy_request.hpp"
#include "xfrm/transport.hpp"

namespace espalier::xfrm {

// A policy of the kernel that wants ESP.
struct PolicyState {
  PolicyId id;
  Protect protect;

  friend bool operator==(const PolicyState&, const PolicyState&) = default;
};

// Nothing for another message, one that is cut short, and a policy that wants anything but one SA
// of ESP.
std::optional<PolicyState> read_policy(const Message& message);

// All such policies of this network namespace. What was lost on the way is asked for again.
Result<std::vector<PolicyState>> read_all_policies(Transport& kernel);

}  // namespace espalier::xfrm
