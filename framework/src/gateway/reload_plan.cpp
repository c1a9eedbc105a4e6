// SPDX-License-Identifier: Apache-2.0
#include "gateway/reload_plan.hpp"

#include "gateway/site_view.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

namespace espalier {
namespace {

bool equal(const SaKeys& a, const SaKeys& b) {
  const auto same = [](const SecretBytes& x, const SecretBytes& y) {
    return std::ranges::equal(x.view(), y.view());
  };
  return same(a.cipher, b.cipher) && same(a.salt, b.salt) && same(a.integrity, b.integrity);
}

// A tunnel may name its sites the other way round and be the same.
bool same_keys(const TunnelConfig& a, const TunnelConfig& b) {
  if (a.key_file != b.key_file || a.static_keys.has_value() != b.static_keys.has_value())
    return false;
  if (!a.static_keys) return true;
  const bool turned = a.first != b.first;
  return equal(a.static_keys->forward, turned ? b.static_keys->backward : b.static_keys->forward) &&
         equal(a.static_keys->backward, turned ? b.static_keys->forward : b.static_keys->backward);
}

struct OwnTunnel {
  const TunnelConfig* config;
  SaSpec outbound, inbound;
  const SaKeys* outbound_keys = nullptr;  // static ones, or nullptr
  const SaKeys* inbound_keys = nullptr;

  friend bool operator==(const OwnTunnel& a, const OwnTunnel& b) {
    return a.outbound == b.outbound && a.inbound == b.inbound && same_keys(*a.config, *b.config);
  }
};
using OwnTunnels = std::map<std::string_view, OwnTunnel>;

// sa_specs() gives two for each own tunnel, in the order of the tunnels.
Result<OwnTunnels> own_tunnels(const GatewayConfig& config) {
  auto specs = sa_specs(config, "");
  if (!specs) return std::unexpected(specs.error());
  OwnTunnels own;
  auto spec = specs->begin();
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    OwnTunnel one{&tunnel, std::move(spec[0]), std::move(spec[1])};
    if (tunnel.static_keys) {
      one.outbound_keys = &tunnel.static_keys->forward;
      one.inbound_keys = &tunnel.static_keys->backward;
      if (tunnel.first != config.site) std::swap(one.outbound_keys, one.inbound_keys);
    }
    own.emplace(tunnel.name, std::move(one));
    spec += 2;
  }
  return own;
}

void compare_tunnels(const OwnTunnels& running, const OwnTunnels& wanted, ReloadPlan& plan) {
  for (const auto& [name, tunnel] : running)
    if (!wanted.contains(name)) plan.gone.emplace_back(name);
  for (const auto& [name, tunnel] : wanted) {
    const auto before = running.find(name);
    if (before == running.end())
      plan.added.emplace_back(name);
    else if (before->second != tunnel)
      plan.changed.emplace_back(name);
  }
}

// Whether an SA of `a` has SPI and static key of its like in `b`.
bool share_an_sa(const OwnTunnel& a, const OwnTunnel& b) {
  const auto same = [](const SaSpec& sa, const SaKeys* keys, const SaSpec& other,
                       const SaKeys* others) {
    return keys != nullptr && others != nullptr && sa.spi == other.spi && equal(*keys, *others);
  };
  return same(a.outbound, a.outbound_keys, b.outbound, b.outbound_keys) ||
         same(a.inbound, a.inbound_keys, b.inbound, b.inbound_keys);
}

// A new SA begins with the first number and an empty replay window: in the place of one with its
// SPI and key it would take whatever that had taken before (law 2).
Result<void> check_replays(const OwnTunnels& running, const OwnTunnels& wanted,
                           const ReloadPlan& plan) {
  const auto leaves = [&](std::string_view name) {
    return std::ranges::binary_search(plan.gone, name) ||
           std::ranges::binary_search(plan.changed, name);
  };
  const auto comes = [&](std::string_view name) {
    return std::ranges::binary_search(plan.added, name) ||
           std::ranges::binary_search(plan.changed, name);
  };
  for (const auto& [name, tunnel] : wanted)
    for (const auto& [old_name, old] : running)
      if (comes(name) && leaves(old_name) && share_an_sa(tunnel, old))
        return fail(ErrorCode::unsupported,
                    fmt::format("Tunnel '{}' has changed and would keep an SPI with its static "
                                "key, so that packets of before could be replayed. Change SPIs or "
                                "keys of both directions with it, at both ends.",
                                name));
  return {};
}

std::vector<std::string_view> changes_of_site(const SiteConfig& running, const SiteConfig& wanted) {
  std::vector<std::string_view> changes;
  if (running.outer != wanted.outer) changes.push_back("the site's outer address or port");
  if (running.tun_name != wanted.tun_name) changes.push_back("the name of the TUN device");
  if (running.tun_addresses != wanted.tun_addresses)
    changes.push_back("the addresses of the TUN device");
  if (running.tun_mtu != wanted.tun_mtu) changes.push_back("the MTU of the TUN device");
  return changes;
}

std::vector<std::string_view> changes_of_gateway(const GatewayConfig& running,
                                                 const GatewayConfig& wanted) {
  std::vector<std::string_view> changes;
  if (running.dataplane != wanted.dataplane) changes.push_back("the dataplane");
  if (running.workers != wanted.workers) changes.push_back("the number of workers");
  if (running.kernel_rules != wanted.kernel_rules)
    changes.push_back("whether the kernel's rules are required");
  if (running.offloads != wanted.offloads) changes.push_back("the offloads");
  if (running.control_socket != wanted.control_socket) changes.push_back("the control socket");
  if (running.state_directory != wanted.state_directory)
    changes.push_back("the state directory, which belongs to the keys");
  if (running.plugin_folders != wanted.plugin_folders) changes.push_back("the plugin folders");
  if (running.backend_options != wanted.backend_options)
    changes.push_back("the options of the backends");
  return changes;
}

// What is built once, at the start.
Result<void> check_fixed(const GatewayConfig& running, const GatewayConfig& wanted) {
  const auto encapsulation = encapsulation_of(wanted);
  if (!encapsulation) return std::unexpected(encapsulation.error());
  std::vector<std::string_view> changes;
  if (running.site != wanted.site) {
    changes.push_back("which site this machine is");
  } else {
    changes = changes_of_site(running.sites.at(running.site), wanted.sites.at(wanted.site));
    if (encapsulation_of(running) != encapsulation)
      changes.push_back("the encapsulation of the site's tunnels");
  }
  std::ranges::copy(changes_of_gateway(running, wanted), std::back_inserter(changes));
  if (changes.empty()) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{} changes {}, which a running gateway cannot follow: restart to apply "
                          "it.",
                          wanted.file.native(), fmt::join(changes, ", ")));
}

}  // namespace

Result<ReloadPlan> reload_plan(const GatewayConfig& running, const GatewayConfig& wanted) {
  const auto before = own_tunnels(running);
  if (!before) return std::unexpected(before.error());
  const auto after = own_tunnels(wanted);
  if (!after) return std::unexpected(after.error());
  if (auto fixed = check_fixed(running, wanted); !fixed) return std::unexpected(fixed.error());

  ReloadPlan plan;
  plan.policy_changed = running.policy != wanted.policy;
  compare_tunnels(*before, *after, plan);
  if (auto fresh = check_replays(*before, *after, plan); !fresh)
    return std::unexpected(fresh.error());
  return plan;
}

}  // namespace espalier
