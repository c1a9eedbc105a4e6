// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <model/nearest_name.hpp>

#include <algorithm>
#include <cctype>

namespace espalier::config {
namespace {

constexpr std::size_t kLongestShown = 64;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestInterface = 15;  // IFNAMSIZ - 1

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return std::iscntrl(static_cast<unsigned char>(c)); });
}

// A value as a person wrote it.
std::string shown(const Node& node) {
  if (const auto* text = node.as<std::string>())
    return text->size() > kLongestShown || !is_printable(*text)
               ? fmt::format("a text of {} characters", text->size())
               : fmt::format("\"{}\"", *text);
  if (const auto* number = node.as<std::int64_t>()) return fmt::format("{}", *number);
  if (const auto* number = node.as<Float>())
    return number->written.size() > kLongestShown ? std::string(kind_of(node))
                                                  : fmt::format("the float {}", number->written);
  if (const auto* truth = node.as<bool>()) return *truth ? "true" : "false";
  if (const auto* list = node.as<Array>())
    return list->empty() ? "an empty list" : fmt::format("a list of {}", list->size());
  return std::string(kind_of(node));
}

// "192.0.2.1:4500", "[2001:db8::1]:4500"
bool has_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return false;
  const std::string_view port = text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return !port.empty() && port.find_first_not_of("0123456789") == port.npos &&
         IpAddress::parse(host).has_value();
}

}  // namespace

void Item::reject(std::string_view hint) const {
  const bool secret = context.document.secrets.contains(node.at);
  error(fmt::format("'{}' is {}: expected {}{}", key, secret ? "a text" : shown(node), expected,
                    hint));
}

void Item::reject_repeated() const {
  error(fmt::format("'{}' has {} twice: leave one out", key, shown(node)));
}

std::optional<TableView> as_table(const Item& item, std::string name) {
  if (const auto* entries = item.node.as<Table>())
    return TableView{item.context, std::move(name), item.node.at, *entries};
  item.reject();
  return std::nullopt;
}

void report_unknown(const TableView& table, const Entry& entry,
                    std::span<const std::string_view> known) {
  std::string hint = did_you_mean(known, entry.key);
  if (hint.empty()) hint = fmt::format("; known here: {}", fmt::join(known, ", "));
  const std::string key =
      entry.key.size() > kLongestShown || !is_printable(entry.key) ? "..." : entry.key;
  table.context.findings.error(entry.at,
                               fmt::format("unknown key '{}' in {}{}", key, table.name, hint));
}

void report_missing(const TableView& table, std::string_view key, std::string_view expected) {
  if (!table.context.document.complete) return;  // it may have been skipped
  table.context.findings.error(
      table.at, fmt::format("{} has no '{}': expected {}", table.name, key, expected));
}

std::optional<std::string> as_string(const Item& item) {
  if (const auto* text = item.node.as<std::string>()) return *text;
  item.reject();
  return std::nullopt;
}

std::optional<bool> as_bool(const Item& item) {
  if (const auto* truth = item.node.as<bool>()) return *truth;
  item.reject();
  return std::nullopt;
}

std::optional<std::int64_t> as_integer(const Item& item, std::int64_t low, std::int64_t high) {
  if (const auto* number = item.node.as<std::int64_t>())
    if (*number >= low && *number <= high) return *number;
  item.reject(item.node.as<Float>() ? "; write it as an integer" : "");
  return std::nullopt;
}

std::optional<IpAddress> as_address(const Item& item) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  if (auto address = IpAddress::parse(*text)) return *address;
  item.reject(has_port(*text) ? "; its UDP port goes into the key 'port'" : "");
  return std::nullopt;
}

std::optional<IpPrefix> as_prefix(const Item& item) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  auto prefix = IpPrefix::parse(*text);
  if (prefix) return *prefix;
  item.error(fmt::format("'{}': {}", item.key, prefix.error().message));
  return std::nullopt;
}

std::optional<const TransformInfo*> as_transform(const Item& item) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  auto info = find_transform(*text);
  if (info) return *info;
  item.error(fmt::format("'{}': {}", item.key, info.error().message));
  return std::nullopt;
}

bool is_name(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && text.front() != '.' &&
         std::ranges::all_of(text, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' ||
                  c == '-';
         });
}

std::optional<std::string> as_name(const Item& item) {
  auto text = as_string(item);
  if (!text || is_name(*text, kLongestName)) return text;
  item.reject("; a name has letters, digits, '.', '_' and '-', at most 64 of them");
  return std::nullopt;
}

std::optional<std::string> as_interface(const Item& item) {
  auto text = as_string(item);
  if (!text) return text;
  // Linux has settings of these names for all interfaces.
  const bool reserved = *text == "all" || *text == "default";
  if (!reserved && is_name(*text, kLongestInterface)) return text;
  item.reject(
      "; a network interface has 1 to 15 letters, digits, '.', '_' and '-', and is not called "
      "'all' or 'default'");
  return std::nullopt;
}

std::optional<std::string> as_free_text(const Item& item) {
  auto text = as_string(item);
  if (!text) return text;
  if (!text->empty() && text->size() <= kLongestName && is_printable(*text)) return text;
  item.reject("; of 1 to 64 printable characters");
  return std::nullopt;
}

std::optional<std::filesystem::path> as_path(const Item& item) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  if (text->empty() || text->find('\0') != std::string::npos) {
    item.reject();
    return std::nullopt;
  }
  return (item.context.folder / *text).lexically_normal();
}

std::vector<Item> as_list(const Item& item) {
  std::vector<Item> items;
  const auto* list = item.node.as<Array>();
  if (!list) {
    const auto* text = item.node.as<std::string>();
    item.reject(text && text->size() <= kLongestShown && is_printable(*text)
                    ? fmt::format("; did you mean [\"{}\"]?", *text)
                    : "");
    return items;
  }
  for (const Node& node : *list) items.push_back({item.context, item.key, item.expected, node});
  return items;
}

std::optional<std::size_t> choose(const Item& item, std::span<const std::string_view> texts) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  const auto found = std::ranges::find(texts, *text);
  if (found != texts.end()) return static_cast<std::size_t>(found - texts.begin());
  item.reject(did_you_mean(texts, *text));
  return std::nullopt;
}

}  // namespace espalier::config
