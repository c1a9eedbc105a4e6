// SPDX-License-Identifier: Apache-2.0
#include "steer/expression.hpp"

#include <fmt/format.h>

namespace espalier::steer {
namespace {

constexpr int kDeepest = 16;  // the kernel's names end long before
constexpr std::string_view kPunctuation = "(),";

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool expression(Expression& out, int depth = 0) {
    const auto end = std::min(rest().find_first_of(kPunctuation), rest().size());
    out.root = rest().substr(0, end);
    at_ += end;
    if (out.root.empty() || out.root.find(' ') != std::string::npos || depth > kDeepest)
      return false;
    if (!take('(')) return true;
    do {
      if (!expression(out.arguments.emplace_back(), depth + 1)) return false;
    } while (take(','));
    return take(')');
  }

  bool at_end() const { return at_ == text_.size(); }

 private:
  std::string_view rest() const { return text_.substr(at_); }

  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string Expression::text() const {
  if (is_leaf()) return root;
  std::string result = root;
  char separator = '(';
  for (const Expression& argument : arguments) {
    result += separator;
    result += argument.text();
    separator = ',';
  }
  return result + ')';
}

Result<Expression> parse_expression(std::string_view text) {
  Parser parser(text);
  Expression parsed;
  if (parser.expression(parsed) && parser.at_end()) return parsed;
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is no name of an algorithm or a driver: these look like "
                          "'aes-generic' or 'seqiv(rfc4106-gcm-aesni)'",
                          text));
}

}  // namespace espalier::steer
