// SPDX-License-Identifier: Apache-2.0
//
// What the kernel makes of the rules. What they do to packets: tests/integration/fail_closed.py.
#include "io/protection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "unit/io/net_namespace.hpp"

namespace espalier::io {
namespace {

using test::in_namespace;
using testing::HasSubstr;

std::set<IpPrefix> prefixes(std::initializer_list<const char*> texts) {
  std::set<IpPrefix> all;
  for (const char* text : texts) all.insert(*IpPrefix::parse(text));
  return all;
}

ProtectionRules rules_of(const std::string& site, std::initializer_list<const char*> remote) {
  return {site,
          "esp0",
          {*IpAddress::parse("192.0.2.1"), 4500},
          {prefixes({"10.1.0.0/24", "fd00:1::/64"}), prefixes(remote)}};
}

bool has_table(const char* name) { return Nftables::open()->has_table(name).value(); }

// Whether an address is in a set of the kernel's.
bool holds(const char* set, const char* address) {
  return Nftables::open()
      ->run(std::string("get element inet espalier-left ") + set + " { " + address + " }\n")
      .has_value();
}

TEST(Protection, StandsUntilTheGatewayEnds) {
  in_namespace([] {
    {
      auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24", "fd00:2::/64"}));
      ASSERT_TRUE(rules) << rules.error().message;
      EXPECT_TRUE((*rules)->commit());
      EXPECT_TRUE(holds("remote4", "10.2.0.7"));
      EXPECT_TRUE(holds("remote6", "fd00:2::7"));
      EXPECT_FALSE(holds("remote4", "10.3.0.7"));
    }
    EXPECT_FALSE(has_table("espalier-left"));
  });
}

TEST(Protection, StaysWhereItIsKept) {
  in_namespace([] {
    Protection::begin(rules_of("left", {"10.2.0.0/24"})).value()->keep();
    EXPECT_TRUE(has_table("espalier-left"));
  });
}

TEST(Protection, GoesWhereAKeptOneIsOpened) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    rules->keep();
    ASSERT_TRUE(Nftables::open()->run("flush ruleset\n"));
    EXPECT_TRUE(rules->restore().value());
    rules->open();
    rules.reset();
    EXPECT_FALSE(has_table("espalier-left"));
  });
}

// As an exception does that ends the gateway.
TEST(Protection, StaysWhereItWasPutBackAndNobodyOpensIt) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    rules->keep();
    ASSERT_TRUE(Nftables::open()->run("flush ruleset\n"));
    EXPECT_TRUE(rules->restore().value());
    rules.reset();
    EXPECT_TRUE(has_table("espalier-left"));
  });
}

TEST(Protection, TakesOverWhatItFindsOnlyWhenTheStartIsComplete) {
  in_namespace([] {
    Protection::begin(rules_of("left", {"10.2.0.0/24"})).value()->keep();
    {
      auto rules = Protection::begin(rules_of("left", {"10.3.0.0/24"})).value();
      EXPECT_TRUE(holds("remote4", "10.2.0.7"));
      EXPECT_FALSE(holds("remote4", "10.3.0.7"));
    }
    EXPECT_TRUE(holds("remote4", "10.2.0.7")) << "a start that failed opened what was closed";
    auto rules = Protection::begin(rules_of("left", {"10.3.0.0/24"})).value();
    EXPECT_TRUE(rules->commit());
    EXPECT_FALSE(holds("remote4", "10.2.0.7"));
    EXPECT_TRUE(holds("remote4", "10.3.0.7"));
    rules.reset();
    EXPECT_FALSE(has_table("espalier-left"));
  });
}

NetworksChange remote_change(std::initializer_list<const char*> added,
                             std::initializer_list<const char*> removed) {
  const auto list = [](const std::set<IpPrefix>& all) {
    return std::vector<IpPrefix>(all.begin(), all.end());
  };
  return {{}, {list(prefixes(added)), list(prefixes(removed))}};
}

bool holds_remote(const char* address) {
  return holds("remote4", address) || holds("hosts4", address);
}

TEST(Protection, FollowsNetworksThatLieInOneAnother) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    auto before = prefixes({"10.2.0.0/24"});
    for (const auto& remote :
         {prefixes({"10.0.0.0/8", "fd00:2::/64"}), prefixes({"0.0.0.0/0", "::/0"}),
          prefixes({"10.2.0.0/16", "10.3.0.0/16"}), prefixes({"10.2.4.0/24", "10.2.5.0/24"}),
          prefixes({"10.2.4.7", "10.3.0.7", "fd00:2::7"}), prefixes({}),
          prefixes({"10.2.0.0/24"})}) {
      const auto done =
          rules->follow({{}, {{remote.begin(), remote.end()}, {before.begin(), before.end()}}});
      ASSERT_TRUE(done) << done.error().message;
      before = remote;
      for (const char* address : {"10.2.0.7", "10.2.4.7", "10.3.0.7", "192.0.2.9"}) {
        bool inside = false;
        for (const IpPrefix& prefix : remote)
          inside = inside || prefix.contains(*IpAddress::parse(address));
        EXPECT_EQ(holds_remote(address), inside) << address;
      }
      EXPECT_EQ(holds("own4", "10.1.0.7"), remote.contains(*IpPrefix::parse("10.0.0.0/8")) ||
                                               remote.contains(*IpPrefix::parse("0.0.0.0/0")));
    }
  });
}

TEST(Protection, MakesGoodWithTheNextChangeWhatTheKernelRefused) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    ASSERT_TRUE(Nftables::open()->run("flush ruleset\n"));
    EXPECT_FALSE(rules->follow(remote_change({"10.3.0.7"}, {})));
    EXPECT_TRUE(rules->follow(remote_change({}, {"10.3.0.7"})));
    EXPECT_TRUE(holds_remote("10.2.0.7"));
    EXPECT_FALSE(holds_remote("10.3.0.7"));
    ASSERT_TRUE(Nftables::open()->run("flush ruleset\n"));
    EXPECT_FALSE(rules->follow(remote_change({"10.3.0.7"}, {})));
    EXPECT_TRUE(rules->restore().value());
    EXPECT_TRUE(holds_remote("10.3.0.7"));
  });
}

TEST(Protection, IsOneGatewaysOfASite) {
  in_namespace([] {
    auto first = Protection::begin(rules_of("left", {"10.2.0.0/24"}));
    ASSERT_TRUE(first);
    EXPECT_THAT(Protection::begin(rules_of("left", {})).error().message,
                HasSubstr("Another gateway of site 'left' runs"));
    {
      EXPECT_TRUE(Protection::begin(rules_of("right", {"10.9.0.0/24"})));
    }
    EXPECT_TRUE(holds("remote4", "10.2.0.7"));
    EXPECT_FALSE(has_table("espalier-right"));
  });
}

TEST(Protection, IsSetUpAgainWhereSomebodyChangedIt) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    for (const char* change :
         {"flush table inet espalier-left\n", "flush chain inet espalier-left leaving\n",
          "insert rule inet espalier-left leaving accept\n"}) {
      ASSERT_TRUE(Nftables::open()->run(change)) << change;
      EXPECT_TRUE(rules->restore().value()) << change;
      EXPECT_FALSE(rules->restore().value()) << change;
    }
    ASSERT_TRUE(rules->follow(remote_change({"10.9.0.0/24", "10.4.0.1"}, {})));
    EXPECT_FALSE(rules->restore().value()) << "its own change";
    ASSERT_TRUE(Nftables::open()->run("flush chain inet espalier-left sending\n"));
    ASSERT_TRUE(rules->follow(remote_change({}, {"10.4.0.1"})));
    EXPECT_TRUE(rules->restore().value()) << "somebody's before its own";
    ASSERT_TRUE(Nftables::open()->run("add table inet another\n"));
    EXPECT_FALSE(rules->restore().value()) << "somebody's own table";
  });
}

TEST(Protection, IsSetUpAgainWhereSomebodyTookItAway) {
  in_namespace([] {
    auto rules = Protection::begin(rules_of("left", {"10.2.0.0/24"})).value();
    EXPECT_FALSE(rules->restore().value());
    ASSERT_TRUE(Nftables::open()->run("flush ruleset\n"));
    EXPECT_TRUE(rules->restore().value());
    EXPECT_TRUE(holds("remote4", "10.2.0.7"));
  });
}

TEST(Protection, SaysWhatIsMissingWithoutPrivileges) {
  in_namespace([] {
    ASSERT_TRUE(test::drop_capabilities());
    const auto refused = Protection::begin(rules_of("left", {"10.2.0.0/24"}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::permission);
    EXPECT_THAT(refused.error().message, HasSubstr("They need root or CAP_NET_ADMIN"));
  });
}

}  // namespace
}  // namespace espalier::io
