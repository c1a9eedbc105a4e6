// SPDX-License-Identifier: Apache-2.0
#include "steer/changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::steer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Algorithm driver(const std::string& name, std::uint32_t priority) {
  Algorithm made;
  made.driver = name;
  made.priority = priority;
  return made;
}

TEST(Changes, WhatIsAlreadyEnteredIsNoNews) {
  Changes changes;
  EXPECT_TRUE(changes.will_make("a"));
  EXPECT_FALSE(changes.will_make("a"));
  EXPECT_TRUE(changes.will_set("a", 100, 900));
  EXPECT_FALSE(changes.will_set("a", 100, 900));
  EXPECT_FALSE(changes.will_set("a", 900, 100)) << "that is going back";
  EXPECT_TRUE(changes.will_set("a", 100, 800));
  EXPECT_THAT(changes.priorities, ElementsAre(PriorityChange{"a", 100, {900, 800}}));
}

TEST(Changes, WhatStaysAsItIsIsNoChange) {
  Changes changes;
  EXPECT_FALSE(changes.will_set("a", 100, 100));
  EXPECT_TRUE(changes.empty());
}

TEST(Changes, WhatSomebodyElseSetIsWhatIsGoneBackTo) {
  Changes changes;
  changes.will_set("a", 100, 900);
  EXPECT_TRUE(changes.will_set("a", 555, 900));
  EXPECT_THAT(changes.priorities, ElementsAre(PriorityChange{"a", 555, {900}}));
}

TEST(Changes, AreReadBackAsTheyWereWritten) {
  Changes changes;
  changes.will_make("pcrypt(seqiv(x))");
  changes.will_set("a", 100, 900);
  changes.will_set(std::filesystem::path("/sys/m"), std::string("3"), std::string("1"));
  const auto read = changes_from_json(to_json(changes, "boot"), "boot");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, changes);
  EXPECT_TRUE(changes_from_json(to_json(changes, "boot"), "another")->empty());
}

TEST(Changes, WhatIsNoListOfThemIsRefused) {
  for (const char* text : {"", "{}", "[]", "{\"format\": 1}",
                           R"({"format": "espalier-kernel-changes", "version": 2, "boot": "b",
                               "made": [], "priorities": [], "masks": []})",
                           R"({"format": "espalier-kernel-changes", "version": 1, "boot": "b",
                               "made": [1], "priorities": [], "masks": []})"})
    EXPECT_FALSE(changes_from_json(text, "b")) << text;
}

TEST(Undo, GoesBackFromWhatIsOursAndLeavesTheRest) {
  Changes changes;
  changes.will_set("ours", 100, 900);
  changes.will_set("back already", 100, 900);
  changes.will_set("another's", 100, 900);
  changes.will_set("gone", 100, 900);
  changes.will_make("made");
  changes.will_make("removed");
  const Undo undo = undo_of(changes,
                            std::vector{driver("ours", 900), driver("back already", 100),
                                        driver("another's", 901), driver("made", 0)},
                            {});
  EXPECT_THAT(undo.priorities, ElementsAre(Priority{"ours", 100}));
  EXPECT_THAT(undo.remove, ElementsAre("made"));
  EXPECT_EQ(undo.left.size(), 1u);
}

TEST(Undo, MasksAreTheSameHoweverTheyArePadded) {
  Changes changes;
  changes.will_set(std::filesystem::path("/sys/m"), std::string("00000000,00000003"),
                   std::string("1"));
  const Undo undo = undo_of(changes, {}, std::vector<Mask>{{"/sys/m", "00000000,00000001"}});
  EXPECT_THAT(undo.masks, ElementsAre(Mask{"/sys/m", "00000000,00000003"}));
  EXPECT_THAT(undo_of(changes, {}, std::vector<Mask>{{"/sys/m", "3"}}).masks, IsEmpty());
}

}  // namespace
}  // namespace espalier::steer
