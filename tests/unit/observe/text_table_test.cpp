// SPDX-License-Identifier: Apache-2.0
#include "observe/text_table.hpp"

#include <gtest/gtest.h>

namespace espalier {
namespace {

TEST(TextTable, AlignsColumnsAndLeavesNoBlanksAtTheEnd) {
  TextTable table({"NAME", ">COUNT", "NOTE"});
  table.add({"a", "1", ""});
  table.add({"longer", "1000", "why"});
  EXPECT_EQ(table.render({}),
            "NAME    COUNT  NOTE\n"
            "a           1\n"
            "longer   1000  why\n");
}

TEST(TextTable, CountsCharactersNotBytes) {
  TextTable table({"NAME", "X"});
  table.add({"\xc3\xa9t\xc3\xa9", "1"});  // "été"
  table.add({"abc", "2"});
  EXPECT_EQ(table.render({}), "NAME  X\n\xc3\xa9t\xc3\xa9   1\nabc   2\n");
}

TEST(TextTable, FillsRowsThatAreTooShort) {
  TextTable table({"A", "B"});
  table.add({"1"});
  EXPECT_EQ(table.render({}), "A  B\n1\n");
}

TEST(TextStyle, WritesNoEscapesUnlessColourIsWanted) {
  EXPECT_EQ(bold("x", {.colour = false}), "x");
  EXPECT_EQ(bold("x", {.colour = true}), "\x1b[1mx\x1b[0m");
  EXPECT_EQ(red("x", {.colour = false}), "x");
  EXPECT_EQ(green("x", {.colour = true}), "\x1b[32mx\x1b[0m");
}

}  // namespace
}  // namespace espalier
