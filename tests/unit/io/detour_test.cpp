// SPDX-License-Identifier: Apache-2.0
#include "io/detour.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace espalier::io {
namespace {

using testing::IsEmpty;

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

TEST(Detour, IsTheSameInEachRunOfASite) {
  const Detour first = detour_of("left"), again = detour_of("left");
  EXPECT_EQ(first.mark, again.mark);
  EXPECT_EQ(first.priority, again.priority);
}

TEST(Detour, KeepsSitesApart) {
  std::set<std::uint32_t> numbers;
  for (const char* site : {"left", "right", "annex"}) {
    const Detour detour = detour_of(site);
    EXPECT_NE(detour.mark, 0u);
    for (std::uint32_t i = 0; i < kDetourRules; ++i)
      EXPECT_TRUE(numbers.insert(detour.priority + i).second) << site;
    EXPECT_TRUE(numbers.insert(detour.hosts).second) << site;
    EXPECT_TRUE(numbers.insert(detour.networks).second) << site;
  }
}

TEST(Detour, ComesBeforeTheMainTable) {
  for (int i = 0; i < 5000; ++i) {
    const Detour detour = detour_of(std::to_string(i));
    EXPECT_GE(detour.priority, 20000u);
    EXPECT_LT(detour.priority + kDetourRules, 32766u);
  }
}

TEST(Detour, LeadsWhatIsNotMarkedToSingleAddressesFirst) {
  const Detour detour = detour_of("left");
  const auto rules = standing_rules(detour, Family::ipv6);
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0], (RoutingRule{Family::ipv6, detour.priority, 0, {}, 0, 500, {}}));
  EXPECT_EQ(rules[1], (RoutingRule{Family::ipv6, detour.priority, 0, {}, 0, 4500, {}}));
  EXPECT_EQ(rules[2],
            (RoutingRule{Family::ipv6, detour.priority + 1, detour.hosts, {}, detour.mark, 0, {}}));
  EXPECT_EQ(
      rules[3],
      (RoutingRule{Family::ipv6, detour.priority + 3, detour.networks, {}, detour.mark, 0, {}}));
}

TEST(Detour, LetsTheMachinesOwnRoutesToSmallerNetworksGoBeforeANetwork) {
  const Detour detour = detour_of("left");
  EXPECT_THAT(rules_for(detour, prefix("0.0.0.0/0")),
              testing::ElementsAre(RoutingRule{Family::ipv4, detour.priority + 2, 0,
                                               prefix("0.0.0.0/0"), 0, 0, std::uint8_t{0}}));
  EXPECT_THAT(rules_for(detour, prefix("fd00::/16")),
              testing::ElementsAre(RoutingRule{Family::ipv6, detour.priority + 2, 0,
                                               prefix("fd00::/16"), 0, 0, std::uint8_t{16}}));
  EXPECT_EQ(table_for(detour, prefix("fd00::/16")), detour.networks);
}

TEST(Detour, LetsNothingGoBeforeASingleAddress) {
  const Detour detour = detour_of("left");
  for (const char* one : {"192.0.2.2/32", "2001:db8::2/128"}) {
    EXPECT_THAT(rules_for(detour, prefix(one)), IsEmpty());
    EXPECT_EQ(table_for(detour, prefix(one)), detour.hosts);
  }
}

}  // namespace
}  // namespace espalier::io
