// SPDX-License-Identifier: Apache-2.0
#include <espalier/policy.hpp>

#include <gtest/gtest.h>

namespace espalier {
namespace {

SaSpec some_sa() {
  SaSpec sa;
  sa.transform = (*find_transform("aes256gcm16"))->transform;
  sa.direction = Direction::inbound;
  sa.peer.address = *IpAddress::parse("192.0.2.9");
  sa.traffic_class = "voice";
  sa.interface = "eth0";
  return sa;
}

TEST(RuleMatch, EmptyMatchesEverySa) {
  EXPECT_TRUE(RuleMatch{}.matches(some_sa()));
  EXPECT_TRUE(RuleMatch{}.matches(SaSpec{}));
}

TEST(RuleMatch, TransformsAreAlternatives) {
  RuleMatch match;
  match.transforms = {(*find_transform("aes128gcm16"))->transform};
  EXPECT_FALSE(match.matches(some_sa())) << "another key length is another transform";
  match.transforms.push_back((*find_transform("aes256gcm16"))->transform);
  EXPECT_TRUE(match.matches(some_sa()));
}

TEST(RuleMatch, PeersAreAlternatives) {
  RuleMatch match;
  match.peers = {*IpPrefix::parse("198.51.100.0/24"), *IpPrefix::parse("::/0")};
  EXPECT_FALSE(match.matches(some_sa()));
  match.peers.push_back(*IpPrefix::parse("192.0.2.0/24"));
  EXPECT_TRUE(match.matches(some_sa()));
}

TEST(RuleMatch, TheDirectionMustBeEqual) {
  RuleMatch match;
  match.direction = Direction::inbound;
  EXPECT_TRUE(match.matches(some_sa()));
  match.direction = Direction::outbound;
  EXPECT_FALSE(match.matches(some_sa()));
}

TEST(RuleMatch, TheClassMustBeEqual) {
  RuleMatch match;
  match.traffic_class = "voice";
  EXPECT_TRUE(match.matches(some_sa()));
  match.traffic_class = "";
  EXPECT_FALSE(match.matches(some_sa())) << "a rule for SAs without a class";
}

TEST(RuleMatch, TheInterfaceMustBeEqual) {
  RuleMatch match;
  match.interface = "eth0";
  EXPECT_TRUE(match.matches(some_sa()));
  match.interface = "eth1";
  EXPECT_FALSE(match.matches(some_sa()));
}

TEST(RuleMatch, EverythingThatIsSetMustHold) {
  RuleMatch match;
  match.transforms = {some_sa().transform};
  match.peers = {*IpPrefix::parse("192.0.2.0/24")};
  match.direction = Direction::inbound;
  match.traffic_class = "voice";
  match.interface = "eth0";
  EXPECT_TRUE(match.matches(some_sa()));
  match.traffic_class = "bulk";
  EXPECT_FALSE(match.matches(some_sa()));
}

TEST(Fallback, HasStableWords) {
  EXPECT_STREQ(to_string(Fallback::next), "next");
  EXPECT_STREQ(to_string(Fallback::software), "software");
  EXPECT_STREQ(to_string(Fallback::fail), "fail");
}

}  // namespace
}  // namespace espalier
