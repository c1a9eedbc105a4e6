// SPDX-License-Identifier: Apache-2.0
#include "config/lexer.hpp"

#include <algorithm>
#include <cctype>

namespace espalier::config {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '+';
}

int bracket(char mark) {
  if (mark == '[' || mark == '{') return 1;
  return mark == ']' || mark == '}' ? -1 : 0;
}

}  // namespace

Lexer::Lexer(std::string_view text) : text_(text) {
  if (at("\xEF\xBB\xBF")) here_ = 3;
}

void Lexer::advance() noexcept {
  const auto byte = static_cast<unsigned char>(text_[here_++]);
  if (byte == '\n') {
    ++line_;
    column_ = 1;
  } else if (here_ >= text_.size() || (static_cast<unsigned char>(text_[here_]) & 0xC0U) != 0x80U) {
    ++column_;  // only where a code point ends
  }
}

void Lexer::skip_blank() {
  while (here_ < text_.size()) {
    const char c = text_[here_];
    if (c == '#') {
      while (here_ < text_.size() && text_[here_] != '\n') advance();
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      advance();
    } else {
      return;
    }
  }
}

Token Lexer::take_text() {
  Token token{.kind = Token::Kind::text, .line = line_, .column = column_};
  const char quote = text_[here_];
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  const bool long_text = at(triple);
  for (int i = long_text ? 3 : 1; i > 0; --i) advance();
  token.begin = here_;
  while (here_ < text_.size()) {
    const char c = text_[here_];
    if (long_text ? at(triple) : (c == quote || c == '\n')) break;
    advance();
    if (c == '\\' && quote == '"' && here_ < text_.size() && (long_text || text_[here_] != '\n'))
      advance();
  }
  token.end = here_;
  for (int i = long_text ? 3 : 1; i > 0 && here_ < text_.size() && text_[here_] == quote; --i)
    advance();
  return token;
}

Token Lexer::next() {
  skip_blank();
  Token token{.begin = here_, .line = line_, .column = column_};
  if (here_ >= text_.size()) {
    token.end = here_;
    return token;
  }
  const char c = text_[here_];
  if (c == '"' || c == '\'') return take_text();
  if (is_word(c)) {
    token.kind = Token::Kind::word;
    while (here_ < text_.size() && is_word(text_[here_])) advance();
  } else {
    token.kind = Token::Kind::mark;
    token.mark = c;
    advance();
  }
  token.end = here_;
  return token;
}

std::vector<bool> statement_starts(std::string_view text) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  std::vector<bool> starts(lines, false);
  Lexer lexer(text);
  std::size_t next_line = 0;  // first one that is not decided
  std::uint32_t line = 0;
  std::uint32_t header = 0;
  int depth = 0;
  for (;;) {
    const Token token = lexer.next();
    // Lines between two tokens are blank or comments, unless a long text reached over them.
    for (; next_line < token.line && next_line < lines; ++next_line) starts[next_line] = depth == 0;
    if (token.kind == Token::Kind::end) break;
    // A header is one line, whatever its brackets: one that lacks its last must not hide the rest.
    const bool first = token.line != line;
    line = token.line;
    if (first && depth == 0 && token.mark == '[') header = line;
    if (line != header) depth = std::max(0, depth + bracket(token.mark));
    if (token.kind == Token::Kind::text) {
      const auto inside = text.substr(token.begin, token.end - token.begin);
      next_line += static_cast<std::size_t>(std::ranges::count(inside, '\n'));
    }
  }
  return starts;
}

}  // namespace espalier::config
