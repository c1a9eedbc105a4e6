// SPDX-License-Identifier: Apache-2.0
#include "observe/text_table.hpp"

#include "model/escaped.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace espalier {
namespace {

constexpr std::string_view kGap = "  ";

// In characters, not bytes: bytes that continue one in UTF-8 do not count.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & '\xc0') != '\x80'; }));
}

std::string in_colour(std::string_view text, const TextStyle& style, const char* code) {
  if (!style.colour) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

}  // namespace

TextTable::TextTable(const std::vector<std::string>& columns) {
  for (const std::string& column : columns) {
    const bool right = column.starts_with('>');
    right_.push_back(right);
    header_.push_back(right ? column.substr(1) : column);
  }
}

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (std::string& cell : cells) cell = escaped(cell);
  rows_.push_back(std::move(cells));
}

void TextTable::append_row(std::string& out, const std::vector<std::string>& cells,
                           const std::vector<std::size_t>& widths) const {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths[i] - width_of(cells[i]), ' ');
    if (i > 0) out += kGap;
    if (right_[i]) out += padding;
    out += cells[i];
    if (!right_[i] && i + 1 < cells.size()) out += padding;
  }
  out.erase(out.find_last_not_of(' ') + 1);
}

std::string TextTable::render(const TextStyle& style) const {
  std::vector<std::size_t> widths(header_.size());
  for (std::size_t i = 0; i < header_.size(); ++i) {
    widths[i] = width_of(header_[i]);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string head;
  append_row(head, header_, widths);
  std::string out = bold(head, style) + '\n';
  for (const auto& row : rows_) {
    append_row(out, row, widths);
    out += '\n';
  }
  return out;
}

std::string bold(std::string_view text, const TextStyle& style) {
  return in_colour(text, style, "1");
}
std::string red(std::string_view text, const TextStyle& style) {
  return in_colour(text, style, "31");
}
std::string green(std::string_view text, const TextStyle& style) {
  return in_colour(text, style, "32");
}

}  // namespace espalier
