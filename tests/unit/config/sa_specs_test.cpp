// SPDX-License-Identifier: Apache-2.0
#include "mistake.hpp"

#include <algorithm>

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SaSpecs : public ConfigTest {
 protected:
  std::vector<SaSpec> specs(std::string_view text, std::string_view site) {
    const ConfigReading reading = read(text);
    if (!reading.config) {
      ADD_FAILURE() << testing::PrintToString(sentences(reading));
      return {};
    }
    auto result = sa_specs(*reading.config, site);
    if (!result) ADD_FAILURE() << result.error().message;
    return result.value_or(std::vector<SaSpec>());
  }
};

TrafficSelector selector(std::string_view source, std::string_view destination) {
  return {.source = *IpPrefix::parse(source), .destination = *IpPrefix::parse(destination)};
}

TEST_F(SaSpecs, OneOutboundAndOneInboundForEachTunnel) {
  const auto sas = specs(two_sites_and(kTunnel), "left");
  ASSERT_EQ(sas.size(), 2U);
  EXPECT_EQ(sas[0].name, "left-right/out");
  EXPECT_EQ(sas[0].direction, Direction::outbound);
  EXPECT_EQ(to_string(sas[0].local), "192.0.2.1:4500");
  EXPECT_EQ(to_string(sas[0].peer), "192.0.2.2:4500");
  EXPECT_EQ(sas[1].name, "left-right/in");
  EXPECT_EQ(sas[1].direction, Direction::inbound);
  EXPECT_EQ(sas[1].local, sas[0].local);
  EXPECT_EQ(sas[1].peer, sas[0].peer);
}

TEST_F(SaSpecs, SelectorsAreAllPairsOfNetworksOfOneFamily) {
  const auto sas = specs(two_sites_and(kTunnel), "left");
  EXPECT_THAT(sas[0].selectors, ElementsAre(selector("10.1.0.0/24", "10.2.0.0/24"),
                                            selector("fd00:1::/64", "fd00:2::/64")));
  EXPECT_THAT(sas[1].selectors, ElementsAre(selector("10.2.0.0/24", "10.1.0.0/24"),
                                            selector("fd00:2::/64", "fd00:1::/64")));
}

TEST_F(SaSpecs, WhatOneEndSendsWithTheOtherReceivesWith) {
  const std::string text = static_base();
  const auto left = specs(text, "left");
  const auto right = specs(text, "right");
  EXPECT_EQ(left[0].spi, 0x1001U);
  EXPECT_EQ(left[1].spi, 0x1002U);
  EXPECT_EQ(right[0].spi, left[1].spi);
  EXPECT_EQ(right[1].spi, left[0].spi);
  EXPECT_EQ(right[1].selectors, left[0].selectors);
  EXPECT_EQ(right[1].peer, left[0].local);
  for (const auto& sas : {left, right})
    for (const SaSpec& sa : sas) EXPECT_TRUE(validate(sa)) << sa.name;
}

TEST_F(SaSpecs, SpisThatComeWithTheKeysAreZero) {
  for (const SaSpec& sa : specs(two_sites_and(kTunnel), "left")) EXPECT_EQ(sa.spi, 0U);
}

TEST_F(SaSpecs, RawEspHasNoPorts) {
  const auto sas =
      specs(changed(base(), {{"name = \"t\"", "name = \"t\"\nencapsulation = \"none\""}}), "");
  EXPECT_EQ(sas.at(0).local.port, 0);
  EXPECT_EQ(sas.at(0).peer.port, 0);
}

TEST_F(SaSpecs, ASiteThatIsInNoTunnelHasNone) {
  const std::string text =
      base() + "[site.c]\naddress = \"192.0.2.3\"\nnetworks = [\"10.3.0.0/24\"]\n";
  EXPECT_THAT(specs(text, "c"), IsEmpty());
}

TEST_F(SaSpecs, AreNoneOfAConfigurationThatIsForTheSasOfAnIkeDaemon) {
  const ConfigReading reading = read("[gateway]\ndataplane = \"kernel\"\n");
  ASSERT_TRUE(reading.config);
  const auto none = sa_specs(*reading.config, "");
  ASSERT_FALSE(none);
  EXPECT_EQ(
      without_folder(none.error().message),
      "gateway.toml has no sites, and so no SAs of its own: it is for 'espalier adopt', which "
      "places those of an IKE daemon");
}

TEST_F(SaSpecs, SayWhichSiteIsMissing) {
  const ConfigReading reading = read(changed(base(), {{"site = \"left\"\n", ""}}));
  ASSERT_TRUE(reading.config);
  const auto unnamed = sa_specs(*reading.config, "");
  ASSERT_FALSE(unnamed);
  EXPECT_EQ(without_folder(unnamed.error().message),
            "gateway.toml does not say which of its sites this machine is: add site = \"NAME\" to "
            "[gateway], or say --site NAME");
  const auto unknown = sa_specs(*reading.config, "lfet");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(without_folder(unknown.error().message),
            "gateway.toml has no site 'lfet'; did you mean 'left'?");
}

// With the SPIs that come with the keys.
bool valid_with_spi(std::vector<SaSpec> sas) {
  return std::ranges::all_of(sas, [](SaSpec& sa) {
    sa.spi = 0x1001;
    return validate(sa).has_value();
  });
}

// The tunnel of kTunnel with one line more.
std::string tunnel_with(std::string_view line) {
  return two_sites_and(std::string(kTunnel) + "\n" + std::string(line) + "\n");
}

TEST_F(SaSpecs, TransportModeIsBetweenTheSitesThemselves) {
  const auto sas = specs(tunnel_with("mode = \"transport\""), "left");
  EXPECT_EQ(sas[0].mode, Mode::transport);
  EXPECT_THAT(sas[0].selectors, ElementsAre(selector("192.0.2.1/32", "192.0.2.2/32")));
  EXPECT_THAT(sas[1].selectors, ElementsAre(selector("192.0.2.2/32", "192.0.2.1/32")));
  EXPECT_TRUE(valid_with_spi(sas));
}

TEST_F(SaSpecs, OuterHeaderLifetimeAndNatReachBothSas) {
  const auto sas = specs(
      tunnel_with("outer = { dscp = 46, ecn = false, dont_fragment = \"clear\" }\n"
                  "lifetime = { soft_bytes = 1, hard_bytes = 2, soft_packets = 3, hard_packets = 4,"
                  " soft_seconds = 5, hard_seconds = 6 }\n"
                  "nat = { follow_peer = true, keepalive = 20 }"),
      "left");
  ASSERT_EQ(sas.size(), 2U);
  for (const SaSpec& sa : sas) {
    EXPECT_EQ(sa.outer, (OuterHeader{46, false, OuterHeader::DontFragment::clear}));
    EXPECT_EQ(*sa.lifetime, (Lifetime{1, 2, 3, 4, 5, 6}));
    EXPECT_TRUE(sa.follow_peer);
  }
  EXPECT_TRUE(valid_with_spi(sas));
}

TEST_F(SaSpecs, WhatATunnelNeedsBesideItsSas) {
  const ConfigReading reading =
      read(tunnel_with("nat = { keepalive = 20 }\ndummies = { interval = 50, bytes = 1200 }"));
  ASSERT_TRUE(reading.config) << testing::PrintToString(sentences(reading));
  const TunnelConfig& tunnel = reading.config->tunnels.at(0);
  EXPECT_EQ(tunnel.keepalive, 20U);
  EXPECT_FALSE(tunnel.follow_peer);
  EXPECT_EQ(tunnel.dummies.interval, 50U);
  EXPECT_EQ(tunnel.dummies.bytes, 1200U);
}

}  // namespace
}  // namespace espalier
