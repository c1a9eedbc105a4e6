// SPDX-License-Identifier: Apache-2.0
//
// What the command prints for people. Pure functions: values in, text out.
#pragma once

#include <espalier/decision.hpp>
#include <espalier/drop.hpp>
#include <espalier/inventory.hpp>

#include "observe/text_table.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace espalier {

// An SA with what selection answered for it.
struct PlannedSa {
  SaSpec spec;
  Decision decision;
};

// One line an SA: where it would go, and why not elsewhere.
std::string render_plan(std::span<const PlannedSa> plan, const TextStyle& style);
nlohmann::ordered_json plan_json(std::span<const PlannedSa> plan);

// Backends with their devices, pools and ciphers; then those that were rejected, with why.
std::string render_inventory(const Inventory& inventory, const TextStyle& style);

// The table of transforms.
std::string render_transforms(const TextStyle& style);
nlohmann::ordered_json transforms_json();

// The drops, and the counters of the wire as "wire: NAME".
nlohmann::ordered_json with_wire(nlohmann::ordered_json drops, const nlohmann::ordered_json& wire);

// Counters that are not zero, with the kernel's names for them, or one line that says that there
// are none. `counts` maps the names of to_string(Drop) to numbers, as drops_json() gives them.
std::string render_drops(const nlohmann::ordered_json& counts, const TextStyle& style);
nlohmann::ordered_json drops_json(const DropCounts& counts);
// The same packets under the names of xfrm_name(), as /proc/net/xfrm_stat would count them: of some
// of these names several drops, and some drops have none.
nlohmann::ordered_json xfrm_stat_json(const DropCounts& counts);

}  // namespace espalier
