// SPDX-License-Identifier: Apache-2.0
#include "model/prefix_cover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

TEST(PrefixCover, HoldsTheOutermostAlone) {
  PrefixCover cover;
  EXPECT_THAT(cover.add(prefix("10.2.3.0/24")).added, ElementsAre(prefix("10.2.3.0/24")));
  const CoverChange wider = cover.add(prefix("10.2.0.0/16"));
  EXPECT_THAT(wider.added, ElementsAre(prefix("10.2.0.0/16")));
  EXPECT_THAT(wider.removed, ElementsAre(prefix("10.2.3.0/24")));
  EXPECT_TRUE(cover.add(prefix("10.2.9.9")).empty());
  EXPECT_THAT(cover.outermost(), ElementsAre(prefix("10.2.0.0/16")));
}

TEST(PrefixCover, WhatWasInsideComesForthAgain) {
  PrefixCover cover;
  for (const char* text : {"10.2.0.0/16", "10.2.3.0/24", "10.2.3.4", "10.2.9.0/24", "10.3.0.0/16"})
    cover.add(prefix(text));
  const CoverChange change = cover.remove(prefix("10.2.0.0/16"));
  EXPECT_THAT(change.removed, ElementsAre(prefix("10.2.0.0/16")));
  EXPECT_THAT(change.added, ElementsAre(prefix("10.2.3.0/24"), prefix("10.2.9.0/24")));
}

TEST(PrefixCover, IsLeftByTheLastOfEqualOnes) {
  PrefixCover cover;
  cover.add(prefix("::/0"));
  cover.add(prefix("::/0"));
  EXPECT_TRUE(cover.remove(prefix("::/0")).empty());
  EXPECT_THAT(cover.outermost(), ElementsAre(prefix("::/0")));
  EXPECT_THAT(cover.remove(prefix("::/0")).removed, ElementsAre(prefix("::/0")));
  EXPECT_THAT(cover.outermost(), IsEmpty());
}

TEST(PrefixCover, KeepsTheIpVersionsApart) {
  PrefixCover cover;
  cover.add(prefix("0.0.0.0/0"));
  cover.add(prefix("::/1"));
  EXPECT_THAT(cover.outermost(), ElementsAre(prefix("0.0.0.0/0"), prefix("::/1")));
}

// What the definition says, without any cleverness.
std::set<IpPrefix> naive(const std::multiset<IpPrefix>& all) {
  std::set<IpPrefix> outermost;
  for (const IpPrefix& one : all) {
    bool inside = false;
    for (const IpPrefix& other : all) inside = inside || (other != one && covers(other, one));
    if (!inside) outermost.insert(one);
  }
  return outermost;
}

TEST(PrefixCover, AgreesWithTheDefinitionAndItsChangesAddUp) {
  std::mt19937 random(1);
  PrefixCover cover;
  std::multiset<IpPrefix> all;
  std::set<IpPrefix> followed;
  for (int step = 0; step < 4000; ++step) {
    CoverChange change;
    if (!all.empty() && random() % 2 == 0) {
      const auto gone = std::next(all.begin(), static_cast<long>(random() % all.size()));
      change = cover.remove(*gone);
      all.erase(gone);
    } else {
      const auto length = static_cast<unsigned>(random() % 6);
      const auto bits = static_cast<std::uint8_t>(random() & (0xff00U >> length) & 0xffU);
      IpPrefix one{{Family::ipv4, {bits}}, static_cast<std::uint8_t>(length)};
      all.insert(one);
      change = cover.add(one);
    }
    for (const IpPrefix& gone : change.removed) ASSERT_EQ(followed.erase(gone), 1U);
    for (const IpPrefix& added : change.added) ASSERT_TRUE(followed.insert(added).second);
    ASSERT_EQ(cover.outermost(), naive(all)) << "after step " << step;
    ASSERT_EQ(followed, cover.outermost());
  }
}

TEST(PrefixCover, HoldsWhatWasAddedAlsoInsideOfAnother) {
  PrefixCover cover;
  cover.add(prefix("10.0.0.0/8"));
  cover.add(prefix("10.1.0.0/16"));
  EXPECT_TRUE(cover.holds(prefix("10.1.0.0/16")));
  EXPECT_FALSE(cover.holds(prefix("10.2.0.0/16")));
  cover.remove(prefix("10.1.0.0/16"));
  EXPECT_FALSE(cover.holds(prefix("10.1.0.0/16")));
}

TEST(Prefix, GrowsFromOneAddressToEverything) {
  IpPrefix growing = host(*IpAddress::parse("192.0.2.255"));
  EXPECT_EQ(growing, prefix("192.0.2.255/32"));
  EXPECT_TRUE(is_host(growing));
  EXPECT_EQ(growing = wider(growing), prefix("192.0.2.254/31"));
  EXPECT_FALSE(is_host(growing));
  for (int i = 0; i < 15; ++i) growing = wider(growing);
  EXPECT_EQ(growing, prefix("192.0.0.0/16"));
  while (growing.length > 0) growing = wider(growing);
  EXPECT_EQ(growing, prefix("0.0.0.0/0"));
  EXPECT_EQ(wider(host(*IpAddress::parse("::1"))), prefix("::/127"));
}

TEST(Covering, FindsThePrefixAroundAnother) {
  const std::set<IpPrefix> set{prefix("10.0.0.0/8"), prefix("10.0.0.0/8"), prefix("192.0.2.0/24")};
  ASSERT_NE(covering(set, prefix("10.9.0.0/16")), nullptr);
  EXPECT_EQ(*covering(set, prefix("10.9.0.0/16")), prefix("10.0.0.0/8"));
  EXPECT_EQ(*covering(set, prefix("192.0.2.0/24")), prefix("192.0.2.0/24"));
  EXPECT_EQ(covering(set, prefix("192.0.0.0/16")), nullptr) << "it is not inside of what it holds";
  EXPECT_EQ(covering(set, prefix("9.0.0.0/8")), nullptr);
}

}  // namespace
}  // namespace espalier
