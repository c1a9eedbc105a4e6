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

SaSpec own_end(const GatewayConfig& config) {
  SaSpec sa;
  sa.encapsulation = encapsulation_of(config).value_or(Encapsulation::udp);
  sa.local = config.sites.at(config.site).outer;
  if (sa.encapsulation == Encapsulation::none) sa.local.port = 0;
  sa.interface = config.sites.at(config.site).interface;
  return sa;
}

Result<void> check_carried(const SaSpec& sa, const GatewayConfig& config) {
  const SaSpec own = own_end(config);
  const auto words = [](Encapsulation encapsulation) {
    return encapsulation == Encapsulation::udp ? "ESP in UDP (encapsulation 'udp')"
                                               : "raw ESP (encapsulation 'none')";
  };
  if (sa.encapsulation != own.encapsulation)
    return fail(ErrorCode::invalid,
                fmt::format("SA '{}' asks for {}, but this gateway carries {}.", sa.name,
                            words(sa.encapsulation), words(own.encapsulation)));
  const bool udp = sa.encapsulation == Encapsulation::udp;
  if (sa.local.address != own.local.address || (udp && sa.local.port != own.local.port))
    return fail(ErrorCode::invalid,
                fmt::format("SA '{}' has the local end {}, but this gateway's is {}.", sa.name,
                            udp ? to_string(sa.local) : to_string(sa.local.address),
                            udp ? to_string(own.local) : to_string(own.local.address)));
  if (sa.interface.empty() || sa.interface == own.interface) return {};
  return fail(ErrorCode::invalid,
              fmt::format("SA '{}' leaves by the interface {}, but {}.", sa.name, sa.interface,
                          own.interface.empty()
                              ? fmt::format("[site.{}] of this gateway names none", config.site)
                              : fmt::format("this gateway's is {}", own.interface)));
}

}  // namespace espalier
