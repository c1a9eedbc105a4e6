// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>
#include <espalier/result.hpp>

#include <filesystem>

namespace espalier::cli {

// A machine's inventory in a file, for a look at another machine.
Result<void> save_inventory(const std::filesystem::path& file, const Inventory& inventory);
Result<Inventory> saved_inventory(const std::filesystem::path& file);

}  // namespace espalier::cli
