// SPDX-License-Identifier: Apache-2.0
#include "run_network.hpp"

#include <espalier/tun_port.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace espalier::cli {
namespace {

// What the site's tunnels reach, each network once.
std::vector<IpPrefix> remote_networks(const GatewayConfig& config) {
  std::set<IpPrefix> networks;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (tunnel.first != config.site && tunnel.second != config.site) continue;
    const auto& remote =
        config.sites.at(tunnel.first == config.site ? tunnel.second : tunnel.first);
    networks.insert(remote.networks.begin(), remote.networks.end());
  }
  return {networks.begin(), networks.end()};
}

// A worker has one port towards its peers, so that all tunnels of a site share one encapsulation.
Result<Encapsulation> encapsulation_of(const GatewayConfig& config) {
  std::optional<Encapsulation> found;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (tunnel.first != config.site && tunnel.second != config.site) continue;
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

Result<WirePorts> open_wire(const GatewayConfig& config, const SiteConfig& site) {
  const auto encapsulation = encapsulation_of(config);
  if (!encapsulation) return std::unexpected(encapsulation.error());
  const WireOptions options{.local = site.outer, .workers = config.workers};
  return *encapsulation == Encapsulation::udp ? open_udp(options) : open_raw(options);
}

}  // namespace

Result<Network> open_network(const GatewayConfig& config) {
  const SiteConfig& site = config.sites.at(config.site);
  auto wire = open_wire(config, site);
  if (!wire) return std::unexpected(wire.error());
  auto tun = open_tun(site.tun_name, config.workers);
  if (!tun) return std::unexpected(tun.error());
  auto setup = InterfaceSetup::apply({.name = site.tun_name,
                                      .mtu = site.tun_mtu,
                                      .addresses = site.tun_addresses,
                                      .routes = remote_networks(config)});
  if (!setup) return std::unexpected(setup.error());

  Network network;
  network.setup = std::move(*setup);
  network.counters.push_back(wire->counters);
  for (std::uint32_t worker = 0; worker < config.workers; ++worker)
    network.ports.push_back({std::move((*tun)[worker]), std::move(wire->ports[worker])});
  return network;
}

}  // namespace espalier::cli
