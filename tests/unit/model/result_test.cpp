// SPDX-License-Identifier: Apache-2.0
#include <espalier/result.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace espalier {
namespace {

TEST(ErrorCode, HasAStableNameOfItsOwn) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::io); ++code)
    names.insert(to_string(static_cast<ErrorCode>(code)));
  const std::set<std::string> expected = {"unsupported", "capacity",   "transient",
                                          "lost",        "permission", "invalid",
                                          "not_found",   "conflict",   "io"};
  EXPECT_EQ(names, expected);
}

TEST(Result, CarriesTheErrorOfFail) {
  const Result<int> result = fail(ErrorCode::conflict, "already there");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{ErrorCode::conflict, "already there"}));
}

}  // namespace
}  // namespace espalier
