// SPDX-License-Identifier: Apache-2.0
//
// A TOML document as plain values with the place of each: what the rest of the folder works on, so
// that one source file alone includes toml++.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::config {

struct Position {
  std::uint32_t file = 0;    // index into Findings
  std::uint32_t line = 0;    // from 1; 0: the file as a whole
  std::uint32_t column = 0;  // from 1

  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Node;
struct Entry;
using Array = std::vector<Node>;
using Table = std::vector<Entry>;  // in the order of the file

struct DateTime {};  // the project has no use for dates: only that it is one

struct Float {
  double value = 0;
  std::string written;  // 1.0 and 1e0 are one number, but not to who reads a sentence about it
};

struct Node {
  Position at;
  std::variant<std::string, std::int64_t, Float, bool, DateTime, Array, Table> value;

  template <class T>
  const T* as() const noexcept {
    return std::get_if<T>(&value);
  }
};

struct Entry {
  std::string key;
  Position at;
  Node node;
};

struct SyntaxError {
  Position at;
  std::string message;
};

// toml++ stops at the first error; document.hpp goes on behind it.
std::expected<Table, SyntaxError> parse_toml(std::string_view text, std::uint32_t file);

// "a string", "a number", ...
std::string_view kind_of(const Node& node) noexcept;

}  // namespace espalier::config
