// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace espalier::load {

// Text that came from a plugin, safe to show: what is not printable ASCII becomes '?', trailing
// white space goes.
std::string printable(std::string_view text);

bool is_printable(std::string_view text) noexcept;

// The text of a fixed field of the ABI, or nothing if it is not NUL-terminated printable ASCII.
std::optional<std::string> field_text(const char* field, std::size_t size);

template <std::size_t N>
std::optional<std::string> field_text(const char (&field)[N]) {
  return field_text(field, N);
}

}  // namespace espalier::load
