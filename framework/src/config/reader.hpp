// SPDX-License-Identifier: Apache-2.0
//
// Typed reading of a TOML tree. A table's keys are written down once, as an array of Field: it is
// what the parser reads, what unknown keys are compared with, and what the JSON Schema is checked
// against.
#pragma once

#include "config/document.hpp"
#include "config/findings.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace espalier::config {

// What reading one file needs. `document` is where secrets are taken from.
struct Context {
  Findings& findings;
  SecretPool& secrets;
  Document& document;
  std::filesystem::path folder;  // that relative paths are relative to
};

// One value under its key (or in a list under it), for sentences.
struct Item {
  Context& context;
  std::string_view key;
  std::string_view expected;  // "a number from 1 to 65535"
  const Node& node;

  // "'KEY' is VALUE: expected EXPECTED", with a hint at the end. VALUE is not shown where it is a
  // table, list or secret.
  void reject(std::string_view hint = "") const;
  // "'KEY' has VALUE twice"
  void reject_repeated() const;
  void error(std::string message) const { context.findings.error(node.at, std::move(message)); }
  void warning(std::string message) const { context.findings.warning(node.at, std::move(message)); }
};

// A key of a table that is read into a T.
template <class T>
struct Field {
  std::string_view key;
  std::string_view expected;
  void (*read)(const Item& item, T& into);
  bool required = false;
};

// A table's name in sentences ("[site.left]", "'tun' of [site.left]") and its place.
struct TableView {
  Context& context;
  std::string name;
  Position at;
  const Table& entries;
};

// The table in `item`, or nothing and a finding.
std::optional<TableView> as_table(const Item& item, std::string name);

// An unknown key: names the nearest known one, or all.
void report_unknown(const TableView& table, const Entry& entry,
                    std::span<const std::string_view> known);
void report_missing(const TableView& table, std::string_view key, std::string_view expected);

template <class T>
std::vector<std::string_view> keys_of(std::span<const Field<T>> fields) {
  std::vector<std::string_view> keys;
  for (const Field<T>& field : fields) keys.push_back(field.key);
  return keys;
}

// Reads every entry of the table by its field.
template <class T>
void read_table(const TableView& table, std::type_identity_t<std::span<const Field<T>>> fields,
                T& into) {
  std::vector<bool> seen(fields.size(), false);
  for (const Entry& entry : table.entries) {
    std::size_t i = 0;
    while (i < fields.size() && fields[i].key != entry.key) ++i;
    if (i == fields.size()) {
      report_unknown(table, entry, keys_of<T>(fields));
      continue;
    }
    seen[i] = true;
    fields[i].read(Item{table.context, fields[i].key, fields[i].expected, entry.node}, into);
  }
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i].required && !seen[i]) report_missing(table, fields[i].key, fields[i].expected);
}

// A value that a cross-check may have to point at.
template <class T>
struct Located {
  T value;
  Position at;
};

// Each gives the value, or nothing and a finding.
std::optional<std::string> as_string(const Item& item);
std::optional<bool> as_bool(const Item& item);
std::optional<std::int64_t> as_integer(const Item& item, std::int64_t low, std::int64_t high);
std::optional<IpAddress> as_address(const Item& item);
std::optional<IpPrefix> as_prefix(const Item& item);
std::optional<const TransformInfo*> as_transform(const Item& item);
// Letters, digits and ". _ -", at most 64, not beginning with '.': safe in paths and SA names.
std::optional<std::string> as_name(const Item& item);
std::optional<std::string> as_interface(const Item& item);       // what Linux takes as one
std::optional<std::string> as_free_text(const Item& item);       // printable, 1 to 64
std::optional<std::filesystem::path> as_path(const Item& item);  // absolute

// The items of a list. Of something else: nothing and a finding.
std::vector<Item> as_list(const Item& item);

// A list without duplicates, each item read by `read`.
template <class T>
std::vector<Located<T>> as_located_list(const Item& item, std::optional<T> (*read)(const Item&)) {
  std::vector<Located<T>> result;
  for (const Item& part : as_list(item)) {
    auto value = read(part);
    if (!value) continue;
    bool again = false;
    for (const Located<T>& other : result) again = again || other.value == *value;
    if (again)
      part.reject_repeated();
    else
      result.push_back({std::move(*value), part.node.at});
  }
  return result;
}

template <class T>
std::vector<T> values_of(std::vector<Located<T>> located) {
  std::vector<T> values;
  for (Located<T>& one : located) values.push_back(std::move(one.value));
  return values;
}

template <class T>
struct Choice {
  std::string_view text;
  T value;
};

std::optional<std::size_t> choose(const Item& item, std::span<const std::string_view> texts);

template <class T, std::size_t N>
std::optional<T> as_choice(const Item& item, const Choice<T> (&choices)[N]) {
  std::vector<std::string_view> texts;
  for (const Choice<T>& choice : choices) texts.push_back(choice.text);
  const auto index = choose(item, texts);
  return index ? std::optional<T>(choices[*index].value) : std::nullopt;
}

// "[0-9A-Za-z._-]+" and not longer than `longest`.
bool is_name(std::string_view text, std::size_t longest);

}  // namespace espalier::config
