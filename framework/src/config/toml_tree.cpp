// SPDX-License-Identifier: Apache-2.0
#include "config/toml_tree.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <utility>

namespace espalier::config {
namespace {

Position position_of(const toml::source_region& source, std::uint32_t file) {
  return {file, source.begin.line, source.begin.column};
}

Node convert(const toml::node& node, std::uint32_t file);

Table convert_table(const toml::table& table, std::uint32_t file) {
  Table entries;
  entries.reserve(table.size());
  for (const auto& [key, value] : table)
    entries.push_back(
        {std::string(key.str()), position_of(key.source(), file), convert(value, file)});
  std::ranges::sort(entries, {}, &Entry::at);
  return entries;
}

Node convert(const toml::node& node, std::uint32_t file) {
  Node result;
  result.at = position_of(node.source(), file);
  node.visit([&](const auto& value) {
    using Kind = std::remove_cvref_t<decltype(value)>;
    if constexpr (toml::is_string<Kind> || toml::is_integer<Kind> ||
                  toml::is_floating_point<Kind> || toml::is_boolean<Kind>) {
      result.value = value.get();
    } else if constexpr (toml::is_table<Kind>) {
      result.value = convert_table(value, file);
    } else if constexpr (toml::is_array<Kind>) {
      Array items;
      items.reserve(value.size());
      for (const auto& item : value) items.push_back(convert(item, file));
      result.value = std::move(items);
    } else {
      result.value = DateTime{};
    }
  });
  return result;
}

// What a person most likely did where toml++ says what it could not read.
std::string_view hint_for(std::string_view description) {
  constexpr std::pair<std::string_view, std::string_view> kHints[] = {
      {"could not determine value type", "; a text must stand in quotes"},
      {"expected decimal digit", "; a text must stand in quotes"},
      {"expected value-terminator", "; a text must stand in quotes"},
      {"unescaped control characters", "; is the closing quote missing?"},
      {"expected comma or closing", "; is a closing bracket missing above?"},
      {"encountered end-of-file", "; is a closing quote or bracket missing above?"},
  };
  for (const auto& [words, hint] : kHints)
    if (description.find(words) != std::string_view::npos) return hint;
  return "";
}

// toml++ begins every sentence with "Error while parsing ...: "; the line says that already.
std::string plain(std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (description.starts_with(kPrefix)) description.remove_prefix(kPrefix.size());
  return "not valid TOML: " + std::string(description) + std::string(hint_for(description));
}

}  // namespace

std::expected<Table, SyntaxError> parse_toml(std::string_view text, std::uint32_t file) {
  try {
    return convert_table(toml::parse(text), file);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        SyntaxError{position_of(error.source(), file), plain(error.description())});
  }
}

std::string_view kind_of(const Node& node) noexcept {
  constexpr std::array<std::string_view, 7> kKinds = {
      "a string", "a whole number", "a fractional number", "true or false", "a date or time",
      "a list",   "a table"};
  return kKinds.at(node.value.index());
}

}  // namespace espalier::config
