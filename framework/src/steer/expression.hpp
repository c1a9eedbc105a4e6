// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace espalier::steer {

// How the kernel writes algorithms that are made of others: "seqiv(rfc4106(gcm(aes)))". A part
// without arguments is the name of an algorithm or of a driver.
struct Expression {
  std::string root;  // "seqiv"
  std::vector<Expression> arguments;

  bool is_leaf() const noexcept { return arguments.empty(); }
  std::string text() const;
  friend bool operator==(const Expression&, const Expression&) = default;
};

Result<Expression> parse_expression(std::string_view text);

}  // namespace espalier::steer
