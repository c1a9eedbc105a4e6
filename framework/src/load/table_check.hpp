// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>

namespace espalier::load {

// That a backend's table can be called at all: sizes, and no function missing that every backend
// has. Pure.
Result<void> check_table(const espalier_backend* table);

// That it has what a device of that kind needs: synchronous ones process, asynchronous ones submit,
// poll and quiesce, those with DMA attach, those of the kernel recipes.
Result<void> check_table_for(const espalier_backend& table, const Device& device);

}  // namespace espalier::load
