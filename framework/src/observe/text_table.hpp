// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// How text is written for a person.
struct TextStyle {
  bool colour = false;  // ANSI sequences; only for a terminal, and not where NO_COLOR is set
};

// Columns of text under a header line, padded to their widest cell. The last column is not padded.
class TextTable {
 public:
  // A name that starts with '>' is that of a column aligned to the right.
  explicit TextTable(const std::vector<std::string>& columns);

  void add(std::vector<std::string> cells);  // as many as there are columns; escaped
  bool empty() const noexcept { return rows_.empty(); }
  std::string render(const TextStyle& style) const;

 private:
  void append_row(std::string& out, const std::vector<std::string>& cells,
                  const std::vector<std::size_t>& widths) const;

  std::vector<std::string> header_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string bold(std::string_view text, const TextStyle& style);
std::string red(std::string_view text, const TextStyle& style);
std::string green(std::string_view text, const TextStyle& style);

}  // namespace espalier
