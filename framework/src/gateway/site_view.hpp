// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include "io/protection_rules.hpp"

#include <set>

namespace espalier {

// What a configuration means for the network of its own site.

bool is_own(const TunnelConfig& tunnel, const GatewayConfig& config);

// What the site's tunnels reach, each network once.
std::set<IpPrefix> remote_networks(const GatewayConfig& config);

// The same, and the networks that its tunnels reach them from.
io::ProtectedNetworks protected_networks(const GatewayConfig& config);

// A worker has one port towards its peers, so that all tunnels of a site share one encapsulation.
Result<Encapsulation> encapsulation_of(const GatewayConfig& config);

// An SA that has nothing yet but this end of it, as the gateway's ports have it.
SaSpec own_end(const GatewayConfig& config);

// That the gateway's ports carry the SA: its end, encapsulation and interface are theirs.
Result<void> check_carried(const SaSpec& sa, const GatewayConfig& config);

}  // namespace espalier
