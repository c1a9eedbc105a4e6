// SPDX-License-Identifier: Apache-2.0
#include "model/escaped.hpp"

#include "model/sentence.hpp"

#include <gtest/gtest.h>

#include <string>

namespace espalier {
namespace {

using namespace std::literals;

TEST(Escaped, LeavesTextAsItIs) {
  EXPECT_EQ(escaped("esp0: größer als ½, 日本"), "esp0: größer als ½, 日本");
  EXPECT_EQ(escaped(""), "");
}

TEST(Escaped, ShowsEveryControlCharacterAsJsonDoes) {
  EXPECT_EQ(escaped("a\x1b[31mb"), R"(a\u001b[31mb)");
  EXPECT_EQ(escaped("\0\t\n\r\x7f"sv), R"(\u0000\u0009\u000a\u000d\u007f)");
  EXPECT_EQ(escaped("\xc2\x80\xc2\x9b\xc2\xa0"), "\\u0080\\u009b\xc2\xa0") << "C1, and no C1";
  EXPECT_EQ(escaped("cut\xc2"), "cut\xc2");
}

TEST(Escaped, LeavesWhatIsToBeKept) {
  EXPECT_EQ(escaped("a\nb\tc\x1b", "\n"), "a\nb\\u0009c\\u001b");
}

TEST(Escaped, IsEverySentence) {
  EXPECT_EQ(as_sentence("'a\x1b[2J.so' is no plugin\nand\x07more"),
            "'a\\u001b[2J.so' is no plugin\nand\\u0007more");
}

}  // namespace
}  // namespace espalier
