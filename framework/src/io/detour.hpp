// SPDX-License-Identifier: Apache-2.0
//
// How a gateway's outer packets pass by the routes that lead into its TUN device, where these lead
// to its peers, too (0.0.0.0/0, a host that talks to its peer): what wg-quick does. Such routes
// stand in tables of their own, to which rules send every packet without the gateway's mark:
//   priority      IKE of this machine: the main table, as without a gateway
//   priority + 1  unless marked: the table of single addresses
//   priority + 2  for each network apart: main table, but only routes to smaller networks
//   priority + 3  unless marked: the table of networks
#pragma once

#include "io/netlink.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier::io {

constexpr std::uint32_t kDetourRules = 4;  // priorities

// Of one site, the same in each of its runs.
struct Detour {
  std::uint32_t mark = 0;
  std::uint32_t hosts = 0, networks = 0;  // tables
  std::uint32_t priority = 0;             // of the first rule
};

Detour detour_of(std::string_view site);

// Those that stand for as long as there is a route apart.
std::vector<RoutingRule> standing_rules(const Detour& detour, Family family);
// Those of one network; none for a single address, of which there is nothing smaller.
std::vector<RoutingRule> rules_for(const Detour& detour, const IpPrefix& network);
std::uint32_t table_for(const Detour& detour, const IpPrefix& network);

}  // namespace espalier::io
