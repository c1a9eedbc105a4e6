// SPDX-License-Identifier: Apache-2.0
#include <espalier/config.hpp>

#include <fmt/format.h>
#include <model/nearest_name.hpp>
#include <model/prefix_cover.hpp>

namespace espalier {
namespace {

// Every pair of a local and a remote network of one family, as seen on outbound packets.
std::vector<TrafficSelector> outbound_selectors(const SiteConfig& local, const SiteConfig& remote) {
  std::vector<TrafficSelector> selectors;
  for (const IpPrefix& source : local.networks)
    for (const IpPrefix& destination : remote.networks)
      if (source.address.family == destination.address.family)
        selectors.push_back({.source = source, .destination = destination});
  return selectors;
}

// In transport mode an SA carries what the sites' own addresses say to each other.
TrafficSelector between_ends(const SiteConfig& local, const SiteConfig& remote) {
  return {.source = host(local.outer.address), .destination = host(remote.outer.address)};
}

// Raw ESP has no ports.
Endpoint end_of(const SiteConfig& site, Encapsulation encapsulation) {
  return encapsulation == Encapsulation::udp ? site.outer : Endpoint{site.outer.address, 0};
}

void add_specs(const TunnelConfig& tunnel, const SiteConfig& local, const SiteConfig& remote,
               std::vector<SaSpec>& specs) {
  const bool first = tunnel.first == local.name;
  const auto spi = [&](bool forward) {
    if (!tunnel.static_keys) return std::uint32_t{0};
    return forward ? tunnel.static_keys->spi_forward : tunnel.static_keys->spi_backward;
  };
  SaSpec outbound{.name = tunnel.name + "/out",
                  .direction = Direction::outbound,
                  .spi = spi(first),
                  .transform = tunnel.transform,
                  .mode = tunnel.mode,
                  .encapsulation = tunnel.encapsulation,
                  .esn = tunnel.esn,
                  .replay_window = tunnel.replay_window,
                  .local = end_of(local, tunnel.encapsulation),
                  .peer = end_of(remote, tunnel.encapsulation),
                  .traffic_class = tunnel.traffic_class,
                  .interface = local.interface,
                  .follow_peer = tunnel.follow_peer,
                  .outer = tunnel.outer,
                  .lifetime = tunnel.lifetime,
                  .selectors = outbound_selectors(local, remote)};
  if (tunnel.mode == Mode::transport) outbound.selectors = {between_ends(local, remote)};
  SaSpec inbound = outbound;
  inbound.name = tunnel.name + "/in";
  inbound.direction = Direction::inbound;
  inbound.spi = spi(!first);
  for (TrafficSelector& selector : inbound.selectors)
    std::swap(selector.source, selector.destination);
  specs.push_back(std::move(outbound));
  specs.push_back(std::move(inbound));
}

}  // namespace

Result<std::vector<SaSpec>> sa_specs(const GatewayConfig& config, std::string_view site) {
  const std::string name(site.empty() ? std::string_view(config.site) : site);
  if (name.empty() && config.sites.empty())
    return fail(
        ErrorCode::invalid,
        fmt::format("{} has no sites, and so no SAs of its own: it is for 'espalier adopt', "
                    "which places those of an IKE daemon",
                    config.file.string()));
  if (name.empty())
    return fail(ErrorCode::invalid,
                fmt::format("{} does not say which of its sites this machine is: add site = "
                            "\"NAME\" to [gateway], or say --site NAME",
                            config.file.string()));
  const auto local = config.sites.find(name);
  if (local == config.sites.end()) {
    std::vector<std::string_view> known;
    for (const auto& [other, unused] : config.sites) known.push_back(other);
    return fail(ErrorCode::not_found, fmt::format("{} has no site '{}'{}", config.file.string(),
                                                  name, did_you_mean(known, name)));
  }
  std::vector<SaSpec> specs;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (tunnel.first != name && tunnel.second != name) continue;
    const std::string& other = tunnel.first == name ? tunnel.second : tunnel.first;
    const auto remote = config.sites.find(other);
    if (remote == config.sites.end())
      return fail(ErrorCode::not_found, fmt::format("tunnel '{}' leads to site '{}', which {} does "
                                                    "not have",
                                                    tunnel.name, other, config.file.string()));
    add_specs(tunnel, local->second, remote->second, specs);
  }
  return specs;
}

}  // namespace espalier
