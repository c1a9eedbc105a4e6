// SPDX-License-Identifier: Apache-2.0
#include "inventory_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace espalier::cli {

Result<void> save_inventory(const std::filesystem::path& file, const Inventory& inventory) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << to_json(inventory);
  out.close();
  if (out) return {};
  return fail(ErrorCode::io, fmt::format("The inventory cannot be written to '{}': {}.",
                                         file.native(), std::generic_category().message(errno)));
}

Result<Inventory> saved_inventory(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.is_open() || in.bad())
    return fail(ErrorCode::io,
                fmt::format("The inventory '{}' cannot be read: {}. 'espalier probe --save FILE' "
                            "writes one.",
                            file.native(), std::generic_category().message(errno)));
  auto inventory = inventory_from_json(text);
  if (inventory) return inventory;
  return fail(inventory.error().code,
              fmt::format("{}: {}", file.native(), inventory.error().message));
}

}  // namespace espalier::cli
