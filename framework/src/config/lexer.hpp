// SPDX-License-Identifier: Apache-2.0
//
// The outline of a TOML text, valid or not: where its strings, words and statements are. toml++
// does the parsing; this finds keys that must be hidden from it, and where to go on behind an
// error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier::config {

struct Token {
  enum class Kind : std::uint8_t { word, text, mark, end };
  Kind kind = Kind::end;
  char mark = 0;          // one of = [ ] { } , . or any other byte that is no word
  std::size_t begin = 0;  // of the content: for a text what is between its quotes
  std::size_t end = 0;
  std::uint32_t line = 0;    // of the first character, quotes included
  std::uint32_t column = 0;  // in code points, as toml++ counts
};

class Lexer {
 public:
  explicit Lexer(std::string_view text);
  Token next();

 private:
  void skip_blank();
  void advance() noexcept;
  Token take_text();
  bool at(std::string_view what) const noexcept { return text_.substr(here_).starts_with(what); }

  std::string_view text_;
  std::size_t here_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t column_ = 1;
};

// For each line (from 0) whether a statement may begin there: it is outside of brackets and of
// multi-line strings.
std::vector<bool> statement_starts(std::string_view text);

}  // namespace espalier::config
