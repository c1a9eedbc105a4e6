// SPDX-License-Identifier: Apache-2.0
#include "run_network.hpp"

#include "gateway/site_view.hpp"

#include <espalier/tun_port.hpp>

#include <utility>

namespace espalier::cli {
namespace {

Result<WirePorts> open_wire(const GatewayConfig& config, const SiteConfig& site) {
  const auto encapsulation = encapsulation_of(config);
  if (!encapsulation) return std::unexpected(encapsulation.error());
  const WireOptions options{
      .local = site.outer, .workers = config.workers, .offloads = config.offloads};
  return *encapsulation == Encapsulation::udp ? open_udp(options) : open_raw(options);
}

}  // namespace

Result<Network> open_network(const GatewayConfig& config) {
  const SiteConfig& site = config.sites.at(config.site);
  auto wire = open_wire(config, site);
  if (!wire) return std::unexpected(wire.error());
  auto tun = open_tun(site.tun_name, {.queues = config.workers, .offloads = config.offloads});
  if (!tun) return std::unexpected(tun.error());
  const auto networks = remote_networks(config);
  auto setup = InterfaceSetup::apply({.name = site.tun_name,
                                      .mtu = site.tun_mtu,
                                      .addresses = site.tun_addresses,
                                      .routes = {networks.begin(), networks.end()}});
  if (!setup) return std::unexpected(setup.error());

  Network network;
  network.setup = std::move(*setup);
  network.counters.push_back(wire->counters);
  for (std::uint32_t worker = 0; worker < config.workers; ++worker)
    network.ports.push_back({std::move((*tun)[worker]), std::move(wire->ports[worker])});
  return network;
}

}  // namespace espalier::cli
