// SPDX-License-Identifier: Apache-2.0
#include "run_network.hpp"

#include "gateway/site_view.hpp"
#include "model/prefix_cover.hpp"

#include <espalier/abi.h>
#include <espalier/tun_port.hpp>

#include <fmt/format.h>

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

// Where they are optional and refused: none, and a warning.
Result<std::unique_ptr<io::Protection>> close_networks(const GatewayConfig& config,
                                                       const SiteConfig& site, const Log& log) {
  const auto networks = protected_networks(config);
  auto rules =
      io::Protection::begin({.site = config.site,
                             .interface = site.tun_name,
                             .outer = site.outer,
                             .networks = {outermost(networks.local), outermost(networks.remote)}});
  if (rules || rules.error().code == ErrorCode::conflict) return rules;
  const std::string& why = rules.error().message;
  if (config.kernel_rules == KernelRules::required)
    return fail(
        rules.error().code,
        fmt::format("{} To run without them, so that packets can leave in the clear when "
                    "Espalier does not run, set 'kernel_rules = \"optional\"' in [gateway].",
                    why));
  log(ESPALIER_LOG_WARNING,
      fmt::format("Packets can leave and arrive in the clear whenever Espalier does not run. {}",
                  why));
  return nullptr;
}

}  // namespace

Result<Network> open_network(const GatewayConfig& config, const Log& log) {
  const SiteConfig& site = config.sites.at(config.site);
  auto wire = open_wire(config, site);
  if (!wire) return std::unexpected(wire.error());
  auto tun = open_tun(site.tun_name, {.queues = config.workers, .offloads = config.offloads});
  if (!tun) return std::unexpected(tun.error());
  auto rules = close_networks(config, site, log);
  if (!rules) return std::unexpected(rules.error());
  const auto networks = remote_networks(config);
  auto setup = InterfaceSetup::apply({.name = site.tun_name,
                                      .mtu = site.tun_mtu,
                                      .addresses = site.tun_addresses,
                                      .routes = {networks.begin(), networks.end()}});
  if (!setup) return std::unexpected(setup.error());

  Network network;
  network.rules = std::move(*rules);
  network.setup = std::move(*setup);
  network.counters.push_back(wire->counters);
  for (std::uint32_t worker = 0; worker < config.workers; ++worker)
    network.ports.push_back({std::move((*tun)[worker]), std::move(wire->ports[worker])});
  return network;
}

}  // namespace espalier::cli
