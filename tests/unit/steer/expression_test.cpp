// SPDX-License-Identifier: Apache-2.0
#include "steer/expression.hpp"

#include <gtest/gtest.h>

namespace espalier::steer {
namespace {

TEST(Expression, IsReadAndWrittenAsTheKernelWritesIt) {
  for (const char* text : {"aes-generic", "seqiv(rfc4106(gcm(aes)))",
                           "echainiv(authenc(hmac(sha1-generic),cbc-aes-aesni))"}) {
    const auto parsed = parse_expression(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->text(), text);
  }
  const auto authenc = parse_expression("authenc(hmac(sha1),cbc(aes))");
  ASSERT_EQ(authenc->arguments.size(), 2u);
  EXPECT_EQ(authenc->arguments[1].root, "cbc");
}

TEST(Expression, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "(", ")", "a(", "a()", "a(b", "a(b))", "a(b)c", "a,b", "a(,b)", "a b", "(a)"})
    EXPECT_FALSE(parse_expression(text)) << text;
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "a(";
  EXPECT_FALSE(parse_expression(deep));
}

}  // namespace
}  // namespace espalier::steer
