// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/key_tables.hpp"
#include "config/reader.hpp"

namespace espalier::config {

template <class T, std::size_t N>
KeyTable key_table(std::string path, std::span<const Field<T>, N> fields) {
  KeyTable table{std::move(path), keys_of<T>(fields), {}};
  for (const Field<T>& field : fields)
    if (field.required) table.required.push_back(field.key);
  return table;
}

}  // namespace espalier::config
