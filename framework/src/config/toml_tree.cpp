// SPDX-License-Identifier: Apache-2.0
#include "config/toml_tree.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace espalier::config {
namespace {

Position position_of(const toml::source_region& source, std::uint32_t file) {
  return {file, source.begin.line, source.begin.column};
}

// The text of a file by the places that toml++ gives: columns count characters, not bytes.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  std::string number_at(const toml::source_position& place) {
    std::string_view line = text_.substr(start_of(place.line));
    for (toml::source_index column = 1; column < place.column && !line.empty(); ++column) do
        line.remove_prefix(1);
      while (!line.empty() && (static_cast<unsigned char>(line.front()) & 0xc0u) == 0x80u);
    const auto end = std::ranges::find_if_not(line, [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '+' || c == '-' ||
             c == '_';
    });
    return {line.begin(), end};
  }

 private:
  std::size_t start_of(std::size_t line) {
    if (starts_.empty()) {
      starts_.push_back(0);
      for (std::size_t i = 0; i < text_.size(); ++i)
        if (text_[i] == '\n') starts_.push_back(i + 1);
    }
    return starts_[std::clamp<std::size_t>(line, 1, starts_.size()) - 1];
  }

  std::string_view text_;
  std::vector<std::size_t> starts_;  // made when first asked for
};

Node convert(const toml::node& node, std::uint32_t file, Lines& lines);

Table convert_table(const toml::table& table, std::uint32_t file, Lines& lines) {
  Table entries;
  entries.reserve(table.size());
  for (const auto& [key, value] : table)
    entries.push_back(
        {std::string(key.str()), position_of(key.source(), file), convert(value, file, lines)});
  std::ranges::sort(entries, {}, &Entry::at);
  return entries;
}

Node convert(const toml::node& node, std::uint32_t file, Lines& lines) {
  Node result;
  result.at = position_of(node.source(), file);
  node.visit([&](const auto& value) {
    using Kind = std::remove_cvref_t<decltype(value)>;
    if constexpr (toml::is_string<Kind> || toml::is_integer<Kind> || toml::is_boolean<Kind>) {
      result.value = value.get();
    } else if constexpr (toml::is_floating_point<Kind>) {
      result.value = Float{value.get(), lines.number_at(node.source().begin)};
    } else if constexpr (toml::is_table<Kind>) {
      result.value = convert_table(value, file, lines);
    } else if constexpr (toml::is_array<Kind>) {
      Array items;
      items.reserve(value.size());
      for (const auto& item : value) items.push_back(convert(item, file, lines));
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
    Lines lines(text);
    return convert_table(toml::parse(text), file, lines);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        SyntaxError{position_of(error.source(), file), plain(error.description())});
  }
}

std::string_view kind_of(const Node& node) noexcept {
  constexpr std::array<std::string_view, 7> kKinds = {"a string",      "a whole number", "a float",
                                                      "true or false", "a date or time", "a list",
                                                      "a table"};
  return kKinds.at(node.value.index());
}

}  // namespace espalier::config
