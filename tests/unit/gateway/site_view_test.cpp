// SPDX-License-Identifier: Apache-2.0
#include "gateway/site_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }
IpAddress address(const char* text) { return *IpAddress::parse(text); }

SiteConfig site(const char* name, const char* outer, const char* network) {
  SiteConfig made;
  made.name = name;
  made.outer = {address(outer), 4500};
  made.networks = {prefix(network)};
  return made;
}

// 'left' with a tunnel to 'right'; 'other' has one of its own to 'right'.
GatewayConfig config(Mode mode) {
  GatewayConfig made;
  made.site = "left";
  made.sites.emplace("left", site("left", "192.0.2.1", "10.1.0.0/24"));
  made.sites.emplace("right", site("right", "192.0.2.2", "0.0.0.0/0"));
  made.sites.emplace("other", site("other", "192.0.2.3", "10.3.0.0/24"));
  for (const char* end : {"left", "other"}) {
    TunnelConfig tunnel;
    tunnel.first = "right";
    tunnel.second = end;
    tunnel.mode = mode;
    made.tunnels.push_back(std::move(tunnel));
  }
  return made;
}

TEST(SiteReach, IsWhatIsBehindThePeersOfTheSite) {
  const SiteReach reach = reach_of(config(Mode::tunnel));
  EXPECT_THAT(reach.networks.local, ElementsAre(prefix("10.1.0.0/24")));
  EXPECT_THAT(reach.networks.remote, ElementsAre(prefix("0.0.0.0/0")));
  EXPECT_THAT(reach.peers, ElementsAre(address("192.0.2.2")));
}

TEST(SiteReach, IsThePeersThemselvesInTransportMode) {
  const SiteReach reach = reach_of(config(Mode::transport));
  EXPECT_THAT(reach.networks.local, ElementsAre(prefix("192.0.2.1/32")));
  EXPECT_THAT(reach.networks.remote, ElementsAre(prefix("192.0.2.2/32")));
  EXPECT_THAT(reach.peers, ElementsAre(address("192.0.2.2")));
}

TEST(SiteReach, IsNothingWithoutATunnel) {
  GatewayConfig alone = config(Mode::tunnel);
  alone.tunnels.clear();
  const SiteReach reach = reach_of(alone);
  EXPECT_THAT(reach.networks.local, IsEmpty());
  EXPECT_THAT(reach.networks.remote, IsEmpty());
}

}  // namespace
}  // namespace espalier
