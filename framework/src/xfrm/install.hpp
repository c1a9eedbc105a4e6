// SPDX-License-Identifier: Apache-2.0
//
// Recipes carried out: SAs are put into the kernel, read back, and taken out again where the kernel
// did not do what was asked for.
#pragma once

#include <espalier/recipe.hpp>
#include <espalier/sa.hpp>
#include <espalier/secret.hpp>

#include <span>
#include <vector>

#include "xfrm/policy_request.hpp"
#include "xfrm/sa_state.hpp"
#include "xfrm/transport.hpp"

namespace espalier::xfrm {

// An SA with its keys that shall be where the recipe says. All must outlive the call. The kernel is
// not told of a crypto driver: whoever wants one has it be the first while the SA is added
// (steer::Steering).
struct Wanted {
  const SaSpec* sa = nullptr;
  const SaKeys* keys = nullptr;
  std::uint32_t reqid = 0;
  Recipe recipe{};
};

// Puts each SA into the kernel, as a transaction of its own: the answer is what was read back, or
// an error, and then nothing of the SA is left. The class of an error is the device's answer to the
// SA (refusal.hpp); a device that took it and leaves it to software has not taken it. Many share a
// few system calls.
std::vector<Result<SaState>> install(Transport& kernel, std::span<const Wanted> wanted);

// One that has gone already is no error.
Result<void> uninstall(Transport& kernel, const SaId& id);

// All of these policies, or none. `conflict` where there is one of the kind already.
Result<void> install(Transport& kernel, std::span<const PolicyId> policies, const Protect& protect);
// In the place of those that are there. Gives the first error.
Result<void> replace(Transport& kernel, std::span<const PolicyId> policies, const Protect& protect);
// Gives the first error; policies that have gone already are none.
Result<void> uninstall(Transport& kernel, std::span<const PolicyId> policies);

}  // namespace espalier::xfrm
