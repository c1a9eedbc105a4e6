// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_sa.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using testing::HasSubstr;

Result<SaSpec> read(const char* text, SaSpec base = {}) {
  auto read = sa_from_json(nlohmann::json::parse(text), base);
  if (!read) return std::unexpected(read.error());
  return base;
}

std::string complaint(const char* text) {
  const auto sa = read(text);
  return sa ? "" : sa.error().message;
}

TEST(SaFromJson, ReadsEveryMember) {
  const auto sa = read(R"({
    "name": "office/in", "direction": "inbound", "spi": "0x1001", "transform": "aes128-sha256",
    "mode": "tunnel", "encapsulation": "none", "esn": false, "replay_window": 64,
    "local": "192.0.2.1", "peer": "[2001:db8::1]:4501", "class": "bulk", "interface": "eth0",
    "selectors": [{"source": "10.1.0.0/16", "destination": "10.2.0.0/16", "protocol": 6,
                   "source_ports": [1, 2], "destination_ports": [80, 80]}]})");
  ASSERT_TRUE(sa) << sa.error().message;
  EXPECT_EQ(sa->name, "office/in");
  EXPECT_EQ(sa->direction, Direction::inbound);
  EXPECT_EQ(sa->spi, 0x1001u);
  EXPECT_EQ(to_string(sa->transform), "aes128-sha256");
  EXPECT_EQ(sa->encapsulation, Encapsulation::none);
  EXPECT_FALSE(sa->esn);
  EXPECT_EQ(sa->replay_window, 64u);
  EXPECT_EQ(to_string(sa->local), "192.0.2.1:4500");
  EXPECT_EQ(to_string(sa->peer), "[2001:db8::1]:4501");
  EXPECT_EQ(sa->traffic_class, "bulk");
  EXPECT_EQ(sa->interface, "eth0");
  ASSERT_EQ(sa->selectors.size(), 1u);
  EXPECT_EQ(sa->selectors[0].protocol, 6);
  EXPECT_EQ(sa->selectors[0].source_port_high, 2);
  EXPECT_EQ(sa->selectors[0].destination_port_low, 80);
}

TEST(SaFromJson, KeepsOfTheBaseWhatIsNotSaid) {
  SaSpec base;
  base.name = "old";
  base.spi = 300;
  base.selectors.resize(2);
  const auto sa = read(R"({"spi": 301})", base);
  ASSERT_TRUE(sa);
  SaSpec expected = base;
  expected.spi = 301;
  EXPECT_EQ(*sa, expected);
}

TEST(SaFromJson, NamesWhatIsWrong) {
  EXPECT_EQ(complaint("[]"), "The SA must be an object.");
  EXPECT_EQ(complaint(R"({"transfrom": 1})"),
            "The SA has no member 'transfrom'; did you mean 'transform'?");
  EXPECT_EQ(complaint(R"({"name": 7})"), "'name' of the SA must be a string.");
  EXPECT_EQ(complaint(R"({"spi": -1})"),
            "'spi' of the SA must be a number from 256 to 4294967295.");
  EXPECT_THAT(complaint(R"({"spi": 4294967296})"), HasSubstr("from 256 to 4294967295"));
  EXPECT_THAT(complaint(R"({"spi": "0x"})"), HasSubstr("'spi'"));
  EXPECT_THAT(complaint(R"({"spi": "4096 "})"), HasSubstr("from 256 to 4294967295"));
  EXPECT_THAT(complaint(R"({"spi": 255})"), HasSubstr("from 256 to 4294967295"));
  EXPECT_EQ(complaint(R"({"direction": "in"})"),
            "'direction' of the SA must be 'outbound' or 'inbound'.");
  EXPECT_EQ(complaint(R"({"esn": 1})"), "'esn' of the SA must be true or false.");
  EXPECT_THAT(complaint(R"({"transform": "aes256gmc16"})"), HasSubstr("aes256gcm16"));
  EXPECT_THAT(complaint(R"({"selectors": {}})"), HasSubstr("'selectors'"));
  EXPECT_EQ(complaint(R"({"selectors": [{"source": "10.0.0.0/8"}]})"),
            "A selector needs a 'source' and a 'destination'.");
  EXPECT_THAT(complaint(R"({"selectors": [{"source_ports": [2, 1]}]})"), HasSubstr("lower"));
  EXPECT_THAT(complaint(R"({"selectors": [{"protocol": 256}]})"), HasSubstr("from 0 to 255"));
}

TEST(SaFromJson, NamesAllThatIsWrongAtOnce) {
  EXPECT_EQ(complaint(R"({"spi": -1, "transfrom": "aes256gcm16", "transform": "aes256gmc16",
                         "peer": "somewhere", "outer": {"ecn": 1, "dcsp": 0},
                         "selectors": [{"source": "10.0.0.0/8"},
                                       {"source": "x", "destination": "10.0.0.0/33"}]})"),
            "The outer header has no member 'dcsp'; did you mean 'dscp'? "
            "'ecn' of the SA must be true or false. "
            "'peer' of the SA: 'somewhere' is no endpoint; write an address with or without a "
            "port, such as 192.0.2.1:4500 or [2001:db8::1]:4500. "
            "A selector needs a 'source' and a 'destination'. "
            "'destination' of the SA: '10.0.0.0/33' is not a prefix: the length after '/' must "
            "be 0 to 32. "
            "'source' of the SA: 'x' is not an IP address; write one like 192.0.2.1 or "
            "2001:db8::1. "
            "'spi' of the SA must be a number from 256 to 4294967295. "
            "'transform' of the SA: unknown transform 'aes256gmc16'; did you mean 'aes256gcm16'? "
            "The SA has no member 'transfrom'; did you mean 'transform'?");
}

TEST(ParseEndpoint, TakesAddressesWithAndWithoutPort) {
  const auto text = [](const char* given) {
    const auto endpoint = parse_endpoint(given, 4500);
    return endpoint ? to_string(*endpoint) : "refused";
  };
  EXPECT_EQ(text("192.0.2.1"), "192.0.2.1:4500");
  EXPECT_EQ(text("192.0.2.1:99"), "192.0.2.1:99");
  EXPECT_EQ(text("2001:db8::1"), "[2001:db8::1]:4500");
  EXPECT_EQ(text("2001:db8::"), "[2001:db8::]:4500");
  EXPECT_EQ(text("[2001:db8::1]"), "[2001:db8::1]:4500");
  EXPECT_EQ(text("[2001:db8::1]:99"), "[2001:db8::1]:99");
  for (const char* bad : {"", ":", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x",
                          "[2001:db8::1", "[2001:db8::1]99", "[2001:db8::1]:", "host:4500"})
    EXPECT_EQ(text(bad), "refused") << bad;
}

}  // namespace
}  // namespace espalier
