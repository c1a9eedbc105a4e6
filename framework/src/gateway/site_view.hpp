// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include "io/protection_rules.hpp"

#include <optional>
#include <set>
#include <string_view>

namespace espalier {

// What a configuration means for the network of its own site.

bool is_own(const TunnelConfig& tunnel, const GatewayConfig& config);

// What the site's tunnels reach, from where, and by whom.
struct SiteReach {
  io::ProtectedNetworks networks;
  std::set<IpAddress> peers;  // outer addresses

  friend bool operator==(const SiteReach&, const SiteReach&) = default;
};
SiteReach reach_of(const GatewayConfig& config);

// A worker has one port towards its peers, so that all tunnels of a site share one encapsulation.
Result<Encapsulation> encapsulation_of(const GatewayConfig& config);

// An SA that has nothing yet but this end of it, as the gateway's ports have it.
SaSpec own_end(const GatewayConfig& config);

// The SA of this name that a tunnel of the site has, without SPI; nothing if there is none.
std::optional<SaSpec> sa_of_tunnel(const GatewayConfig& config, std::string_view name);

// That the gateway's ports carry the SA: its end, encapsulation and interface are theirs.
Result<void> check_carried(const SaSpec& sa, const GatewayConfig& config);

}  // namespace espalier
