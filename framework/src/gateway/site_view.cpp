// SPDX-License-Identifier: Apache-2.0
#include "gateway/site_view.hpp"

#include "model/prefix_cover.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace espalier {

bool is_own(const TunnelConfig& tunnel, const GatewayConfig& config) {
  return tunnel.first == config.site || tunnel.second == config.site;
}

SiteReach reach_of(const GatewayConfig& config) {
  SiteReach reach;
  auto& [local, remote] = reach.networks;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    const SiteConfig& here = config.sites.at(config.site);
    const SiteConfig& there =
        config.sites.at(tunnel.first == config.site ? tunnel.second : tunnel.first);
    reach.peers.insert(there.outer.address);
    if (tunnel.mode == Mode::transport) {
      local.insert(host(here.outer.address));
      remote.insert(host(there.outer.address));
    } else {
      local.insert(here.networks.begin(), here.networks.end());
      remote.insert(there.networks.begin(), there.networks.end());
    }
  }
  return reach;
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

std::optional<SaSpec> sa_of_tunnel(const GatewayConfig& config, std::string_view name) {
  const std::string_view tunnel = name.substr(0, name.rfind('/'));
  if (std::ranges::find(config.tunnels, tunnel, &TunnelConfig::name) == config.tunnels.end())
    return std::nullopt;
  auto specs = sa_specs(config, "");
  if (!specs) return std::nullopt;
  const auto found = std::ranges::find(*specs, name, &SaSpec::name);
  if (found == specs->end()) return std::nullopt;
  found->spi = 0;
  return std::move(*found);
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
