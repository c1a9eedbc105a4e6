// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include <string>
#include <vector>

namespace espalier {

// What a running gateway has to do to follow a changed configuration: the site's tunnels by name,
// each list sorted. Tunnels that are in none of the lists keep their SAs.
struct ReloadPlan {
  std::vector<std::string> gone;
  std::vector<std::string> changed;  // their SAs give way to new ones, with new keys
  std::vector<std::string> added;
  bool policy_changed = false;

  friend bool operator==(const ReloadPlan&, const ReloadPlan&) = default;
};

// Compares two configurations of one file. A tunnel has changed if an SA of it would be another one
// or its keys come from elsewhere; keys that a configuration holds are compared themselves. Fails
// with a sentence that names all that only a restart can apply, or a tunnel on static keys whose
// new SAs would have the SPI and key of old ones.
Result<ReloadPlan> reload_plan(const GatewayConfig& running, const GatewayConfig& wanted);

}  // namespace espalier
