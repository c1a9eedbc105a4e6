// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "observe/render.hpp"

#include <espalier/placer.hpp>

#include <vector>

namespace espalier::cli {

// What selection answers for SAs that come one after the other: each that finds a place counts
// against the capacity pools and limits for those behind it. Pure.
std::vector<PlannedSa> plan_sas(const std::vector<SaSpec>& sas, Inventory inventory,
                                const Policy& policy);

// The other way round: an SA leaves its device, which may be asked again if it was full.
void count_out(Inventory& inventory, const Home& home, Direction direction);

}  // namespace espalier::cli
