// SPDX-License-Identifier: Apache-2.0
#include <load/text.hpp>

#include <algorithm>
#include <cstring>

namespace espalier::load {
namespace {

bool shows(char c) noexcept { return c >= ' ' && c <= '~'; }

}  // namespace

std::string printable(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r'))
    text.remove_suffix(1);
  std::string shown(text);
  std::ranges::replace_if(shown, [](char c) { return !shows(c); }, '?');
  return shown;
}

bool is_printable(std::string_view text) noexcept { return std::ranges::all_of(text, shows); }

std::optional<std::string> field_text(const char* field, std::size_t size) {
  const std::size_t length = strnlen(field, size);
  if (length == size || !is_printable({field, length})) return std::nullopt;
  return std::string(field, length);
}

}  // namespace espalier::load
