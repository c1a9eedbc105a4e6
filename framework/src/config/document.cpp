// SPDX-License-Identifier: Apache-2.0
#include "config/document.hpp"

#include "config/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace espalier::config {
namespace {

constexpr std::size_t kMostSyntaxErrors = 20;  // in one file
constexpr int kLongestKey = 16;                // parts of a dotted key

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// A value without quotes is a mistake, but may be a key all the same.
std::size_t end_of_bare_value(std::string_view text, std::size_t from) {
  return std::min(text.find_first_of(" \t\r\n,]}#", from), text.size());
}

// Moves one secret out of the text and leaves as many 'x', so that positions stay.
void take_secret(SourceText& text, const Token& value, std::uint32_t file, SecretPool& pool,
                 Document& document, Findings& findings) {
  const std::size_t end =
      value.kind == Token::Kind::text ? value.end : end_of_bare_value(text.view(), value.begin);
  const std::span<char> secret = text.bytes().subspan(value.begin, end - value.begin);
  const Position at{file, value.line, value.column};
  auto copy = SecretBytes::copy(pool, as_bytes({secret.data(), secret.size()}));
  if (!copy)
    findings.error(at, copy.error().message);
  else
    document.secrets.emplace(at, std::move(*copy));
  std::ranges::fill(secret, 'x');
}

void take_secrets(SourceText& text, std::uint32_t file,
                  std::span<const std::string_view> secret_keys, SecretPool& pool,
                  Document& document, Findings& findings) {
  Lexer lexer(text.view());
  Token key;
  Token before = lexer.next();
  while (before.kind != Token::Kind::end) {
    const Token token = lexer.next();
    if (token.kind == Token::Kind::mark && token.mark == '=') {
      key = before;
    } else if (before.kind == Token::Kind::mark && before.mark == '=' &&
               (token.kind == Token::Kind::word || token.kind == Token::Kind::text)) {
      const std::string_view name = text.view().substr(key.begin, key.end - key.begin);
      if (std::ranges::find(secret_keys, name) != secret_keys.end())
        take_secret(text, token, file, pool, document, findings);
    }
    before = token;
  }
}

// A dotted key so long that the tree it makes, which is walked by recursion, would end the stack.
std::optional<SyntaxError> find_deep_key(std::string_view text, std::uint32_t file) {
  Lexer lexer(text);
  Position start{file, 0, 0};
  int parts = 0;
  bool after_dot = false;
  for (Token token = lexer.next(); token.kind != Token::Kind::end; token = lexer.next()) {
    if (token.mark == '.') {
      after_dot = true;
      continue;
    }
    if (!after_dot) start = {file, token.line, token.column};
    parts = after_dot ? parts + 1 : 1;
    after_dot = false;
    if (parts > kLongestKey)
      return SyntaxError{start, fmt::format("a key has at most {} parts", kLongestKey)};
  }
  return std::nullopt;
}

std::expected<Table, SyntaxError> parse(std::string_view text, std::uint32_t file) {
  if (auto deep = find_deep_key(text, file)) return std::unexpected(std::move(*deep));
  return parse_toml(text, file);
}

std::vector<std::size_t> line_offsets(std::string_view text) {
  std::vector<std::size_t> offsets{0};
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') offsets.push_back(i + 1);
  offsets.push_back(text.size());
  return offsets;
}

bool is_header(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line[first] == '[';
}

// "name = ..." or "[name]": a line that is a statement of its own, wherever it stands.
bool looks_like_statement(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t[");
  if (first == std::string_view::npos) return false;
  std::size_t end = first;
  while (end < line.size() && (std::isalnum(static_cast<unsigned char>(line[end])) != 0 ||
                               line[end] == '_' || line[end] == '-' || line[end] == '.'))
    ++end;
  if (end == first) return false;
  const std::size_t mark = line.find_first_not_of(" \t", end);
  return mark != std::string_view::npos && line[mark] == (is_header(line) ? ']' : '=');
}

// Blanks the statement in which the error is (a header with all that follows it), so that parsing
// can go on behind it.
void blank_statement(SourceText& text, std::uint32_t error_line) {
  const std::vector<bool> starts = statement_starts(text.view());
  const std::vector<std::size_t> offsets = line_offsets(text.view());
  const auto line = [&](std::size_t i) {
    return text.view().substr(offsets[i], offsets[i + 1] - offsets[i]);
  };
  const std::size_t error =
      std::min<std::size_t>(error_line == 0 ? 0 : error_line - 1, starts.size() - 1);
  std::size_t first = error;
  while (first > 0 && !starts[first]) --first;
  std::size_t last = error;  // one behind the statement
  if (first == error || !looks_like_statement(line(error))) {
    const bool section = is_header(line(first));
    do ++last;
    while (last < starts.size() && (!starts[last] || (section && !is_header(line(last)))));
  }
  for (char& c : text.bytes().subspan(offsets[first], offsets[last] - offsets[first]))
    if (c != '\n') c = ' ';
}

}  // namespace

Document read_document(SourceText& text, std::uint32_t file,
                       std::span<const std::string_view> secret_keys, SecretPool& pool,
                       Findings& findings) {
  Document document;
  if (text.view().contains('\0')) {
    document.complete = false;
    findings.error({file, 0, 0}, "this is no text file");
    return document;
  }
  take_secrets(text, file, secret_keys, pool, document, findings);
  for (std::size_t errors = 0; errors < kMostSyntaxErrors; ++errors) {
    auto root = parse(text.view(), file);
    if (root) {
      document.root = std::move(*root);
      return document;
    }
    document.complete = false;
    findings.error(root.error().at, std::move(root.error().message));
    blank_statement(text, root.error().at.line);
  }
  return document;
}

}  // namespace espalier::config
