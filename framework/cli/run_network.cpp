// SPDX-License-Identifier: Apache-2.0
#include "run_network.hpp"

#include "gateway/site_view.hpp"
#include "io/reverse_path.hpp"
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
  const auto networks = reach_of(config).networks;
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

// The kernel looks for the way back to a peer as if for a packet without a mark, and finds the TUN.
std::function<void(Family)> warn_of_strict_reverse_path(const std::string& tun, const Log& log) {
  return [tun, log](Family family) {
    if (family != Family::ipv4) return;  // IPv6 has no such setting
    const auto strict = io::strict_reverse_path("/proc/sys/net/ipv4/conf", tun);
    if (!strict.empty()) log(ESPALIER_LOG_WARNING, io::strict_words(strict));
  };
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
  InterfacePlan plan{.name = site.tun_name,
                     .mtu = site.tun_mtu,
                     .addresses = site.tun_addresses,
                     .routes = {},
                     .site = config.site,
                     .on_apart = warn_of_strict_reverse_path(site.tun_name, log)};
  for (const auto& port : wire->ports) plan.outer_sockets.push_back(port->descriptor());
  auto setup = InterfaceSetup::apply(plan);
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
