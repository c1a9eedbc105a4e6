// SPDX-License-Identifier: Apache-2.0
#include <model/nearest_name.hpp>

#include <gtest/gtest.h>

#include <array>

namespace espalier {
namespace {

constexpr std::array<std::string_view, 4> kKnown = {"transform", "replay_window", "peer", "port"};

TEST(EditDistance, CountsSingleCharacterEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("abc", "abxc"), 1U) << "an insertion";
  EXPECT_EQ(edit_distance("abc", "ac"), 1U) << "a removal";
  EXPECT_EQ(edit_distance("abcd", "abdc"), 1U) << "neighbours swapped";
}

TEST(NearestName, FindsWhatWasMeant) {
  EXPECT_EQ(nearest_name(kKnown, "transfrom"), "transform");
  EXPECT_EQ(nearest_name(kKnown, "replay-window"), "replay_window");
  EXPECT_EQ(nearest_name(kKnown, "PEER"), "peer") << "case does not count";
}

TEST(NearestName, SaysNothingRatherThanNonsense) {
  EXPECT_EQ(nearest_name(kKnown, "xyz"), std::nullopt);
  EXPECT_EQ(nearest_name(kKnown, ""), std::nullopt);
  EXPECT_EQ(nearest_name(kKnown, std::string(100000, 'a')), std::nullopt);
  EXPECT_EQ(nearest_name({}, "peer"), std::nullopt);
}

TEST(NearestName, OfEquallyNearOnesTakesTheFirst) {
  constexpr std::array<std::string_view, 2> known = {"port1", "port2"};
  EXPECT_EQ(nearest_name(known, "port3"), "port1");
}

TEST(DidYouMean, EndsASentence) {
  EXPECT_EQ(did_you_mean(kKnown, "pear"), "; did you mean 'peer'?");
  EXPECT_EQ(did_you_mean(kKnown, "qqqqqqq"), "");
}

}  // namespace
}  // namespace espalier
