// SPDX-License-Identifier: Apache-2.0
#include "gateway/site_view.hpp"

#include <fmt/format.h>

#include <optional>

namespace espalier {

bool is_own(const TunnelConfig& tunnel, const GatewayConfig& config) {
  return tunnel.first == config.site || tunnel.second == config.site;
}

std::set<IpPrefix> remote_networks(const GatewayConfig& config) {
  std::set<IpPrefix> networks;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    const auto& remote =
        config.sites.at(tunnel.first == config.site ? tunnel.second : tunnel.first);
    networks.insert(remote.networks.begin(), remote.networks.end());
  }
  return networks;
}

io::ProtectedNetworks protected_networks(const GatewayConfig& config) {
  io::ProtectedNetworks networks{{}, remote_networks(config)};
  if (networks.remote.empty()) return networks;
  const auto& local = config.sites.at(config.site).networks;
  networks.local.insert(local.begin(), local.end());
  return networks;
}

Result<Encapsulation> encapsulation_of(const GatewayConfig& config) {
  std::optional<Encapsulation> found;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    if (found && *found != tunnel.encapsulation)
      return fail(ErrorCode::unsupported,
                  fmt::format("The tunnels of site '{}' have different encapsulations, which one "
                              "gateway cannot serve. Give all the same 'encapsulation', or run a "
                              "gateway for each.",
                              config.site));
    found = tunnel.encapsulation;
  }
  return found.value_or(Encapsulation::udp);
}

}  // namespace espalier
