// SPDX-License-Identifier: Apache-2.0
#include <espalier/sa.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using testing::HasSubstr;

SaSpec good_sa() {
  SaSpec sa;
  sa.name = "site/out";
  sa.spi = 0x1000;
  sa.local = {*IpAddress::parse("192.0.2.1"), 4500};
  sa.peer = {*IpAddress::parse("192.0.2.2"), 4500};
  sa.selectors = {{*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("0.0.0.0/0")}};
  return sa;
}

std::string complaint(const SaSpec& sa) {
  const auto result = validate(sa);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::invalid);
  return result.error().message;
}

TEST(ValidateSa, TakesAGoodOne) { EXPECT_EQ(complaint(good_sa()), ""); }

TEST(ValidateSa, RefusesReservedSpis) {
  SaSpec sa = good_sa();
  for (const std::uint32_t spi : {0U, 1U, 255U}) {
    sa.spi = spi;
    EXPECT_THAT(complaint(sa), HasSubstr("SPI " + std::to_string(spi) + " is reserved"));
  }
  sa.spi = 256;
  EXPECT_EQ(complaint(sa), "");
  sa.spi = 0xffffffff;
  EXPECT_EQ(complaint(sa), "");
}

TEST(ValidateSa, BoundsTheReplayWindow) {
  SaSpec sa = good_sa();
  for (const std::uint32_t window : {0U, 31U, 4097U}) {
    sa.replay_window = window;
    EXPECT_THAT(complaint(sa), HasSubstr("take 32 to 4096")) << window;
  }
  for (const std::uint32_t window : {32U, 4096U}) {
    sa.replay_window = window;
    EXPECT_EQ(complaint(sa), "") << window;
  }
}

TEST(ValidateSa, WantsOneIpVersionOutside) {
  SaSpec sa = good_sa();
  sa.peer.address = *IpAddress::parse("2001:db8::2");
  EXPECT_THAT(complaint(sa), HasSubstr("192.0.2.1 and 2001:db8::2 must be of one IP version"));
  sa.local.address = *IpAddress::parse("2001:db8::1");
  EXPECT_EQ(complaint(sa), "");
  EXPECT_EQ(sa.family(), Family::ipv6);
}

TEST(ValidateSa, WantsATransformOfTheTable) {
  SaSpec sa = good_sa();
  sa.transform = {Cipher::aes_gcm, 256, Integrity::none, 15};
  EXPECT_THAT(complaint(sa), HasSubstr("ICV of 15 bytes is not a transform"));
  sa.transform = {Cipher::aes_cbc, 256, Integrity::none, 0};
  EXPECT_NE(complaint(sa), "");
}

TEST(ValidateSa, WantsANameAndASelector) {
  SaSpec sa = good_sa();
  sa.name.clear();
  EXPECT_THAT(complaint(sa), HasSubstr("no name"));
  sa = good_sa();
  sa.selectors.clear();
  EXPECT_THAT(complaint(sa), HasSubstr("no traffic selector"));
}

TEST(ValidateSa, RefusesSelectorsThatCannotMatch) {
  SaSpec sa = good_sa();
  sa.selectors[0].destination = *IpPrefix::parse("::/0");
  EXPECT_THAT(complaint(sa), HasSubstr("mixes IPv4 and IPv6"));
  sa = good_sa();
  sa.selectors[0].source_port_low = 10;
  sa.selectors[0].source_port_high = 9;
  EXPECT_THAT(complaint(sa), HasSubstr("ends before it starts"));
  sa = good_sa();
  sa.selectors[0].destination_port_low = 10;
  sa.selectors[0].destination_port_high = 9;
  EXPECT_THAT(complaint(sa), HasSubstr("ends before it starts"));
}

TEST(TrafficSelector, IsWrittenForAPerson) {
  TrafficSelector selector{*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("0.0.0.0/0")};
  EXPECT_EQ(to_string(selector), "10.0.0.0/8 -> 0.0.0.0/0 proto any");
  selector.protocol = 6;
  selector.source_port_low = selector.source_port_high = 443;
  selector.destination_port_low = 1024;
  EXPECT_EQ(to_string(selector), "10.0.0.0/8 port 443 -> 0.0.0.0/0 port 1024-65535 proto 6");
}

TEST(SaWords, AreStable) {
  EXPECT_STREQ(to_string(Direction::outbound), "outbound");
  EXPECT_STREQ(to_string(Direction::inbound), "inbound");
  EXPECT_STREQ(to_string(Mode::tunnel), "tunnel");
  EXPECT_STREQ(to_string(Mode::transport), "transport");
  EXPECT_STREQ(to_string(Encapsulation::none), "none");
  EXPECT_STREQ(to_string(Encapsulation::udp), "udp");
  EXPECT_STREQ(to_string(Dataplane::kernel), "kernel");
  EXPECT_STREQ(to_string(Dataplane::userspace), "userspace");
  EXPECT_STREQ(to_string(Family::ipv4), "ipv4");
  EXPECT_STREQ(to_string(Family::ipv6), "ipv6");
}

}  // namespace
}  // namespace espalier
