// SPDX-License-Identifier: Apache-2.0
#include "run_reload.hpp"

#include "gateway/reload_plan.hpp"
#include "gateway/site_view.hpp"
#include "run_keys.hpp"
#include "run_places.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace espalier::cli {
namespace {

std::string_view tunnel_of(const SaSpec& sa) {
  return std::string_view(sa.name).substr(0, sa.name.rfind('/'));
}

// The SAs that the plan brings anew.
Result<std::vector<SaSpec>> new_specs(const GatewayConfig& wanted, const ReloadPlan& plan) {
  auto specs = sa_specs(wanted, "");
  if (!specs) return specs;
  std::erase_if(*specs, [&](const SaSpec& sa) {
    return !std::ranges::binary_search(plan.added, tunnel_of(sa)) &&
           !std::ranges::binary_search(plan.changed, tunnel_of(sa));
  });
  return specs;
}

// SAs that came over the control socket have any name, and are their bringer's to delete; they may
// also have been deleted over it.
void remove_sas(const std::vector<std::string>& tunnels, Gateway& gateway) {
  for (const std::string& tunnel : tunnels)
    for (const std::string_view end : {"/out", "/in"})
      static_cast<void>(gateway.remove(fmt::format("{}{}", tunnel, end)));
}

// The tunnels of which an SA was refused; none of their SAs is left.
std::set<std::string, std::less<>> add_sas(std::vector<KeyedSa> sas, const Running& running) {
  std::set<std::string, std::less<>> refused;
  for (KeyedSa& sa : sas) {
    const std::string tunnel(tunnel_of(sa.spec));
    if (refused.contains(tunnel)) continue;
    if (auto added = running.gateway.add(sa.spec, std::move(sa.keys)); !added) {
      running.log(ESPALIER_LOG_ERROR, fmt::format("Tunnel '{}' carries nothing until a reload with "
                                                  "new keys: {}",
                                                  tunnel, added.error().message));
      remove_sas({tunnel}, running.gateway);
      refused.insert(tunnel);
    }
  }
  return refused;
}

// It has none now, as if they were to come over the control socket: where the next reload finds
// some the tunnel has changed.
void forget_keys(TunnelConfig& tunnel) {
  tunnel.static_keys.reset();
  tunnel.key_file.clear();
}

void tell(const ReloadPlan& plan, const Running& running) {
  running.log(
      ESPALIER_LOG_INFO,
      fmt::format("Reloaded {}: {} tunnels added, {} changed, {} gone; policy {}; {} SAs run.",
                  running.config.file.native(), plan.added.size(), plan.changed.size(),
                  plan.gone.size(), plan.policy_changed ? "changed" : "unchanged",
                  running.gateway.list().size()));
  for (const std::string& tunnel : tunnels_by_socket(running.config))
    if (std::ranges::binary_search(plan.added, tunnel) ||
        std::ranges::binary_search(plan.changed, tunnel))
      running.log(ESPALIER_LOG_INFO, fmt::format("Tunnel '{}' waits for its SAs on {}.", tunnel,
                                                 running.config.control_socket.native()));
}

}  // namespace

Result<void> reload(const Running& running, GatewayConfig wanted) {
  const auto plan = reload_plan(running.config, wanted);
  if (!plan) return std::unexpected(plan.error());
  const auto specs = new_specs(wanted, *plan);
  if (!specs) return std::unexpected(specs.error());
  if (auto places = check_places(*specs, running.placer, wanted.policy); !places) return places;
  const auto networks = protected_networks(wanted);
  if (auto reached = running.reach.widen(networks); !reached) return reached;
  auto keyed = claim_keys(wanted, *specs, running.secrets);
  if (!keyed) {
    running.reach.settle(protected_networks(running.config));
    return std::unexpected(keyed.error());
  }

  running.placer.set_policy(wanted.policy);
  remove_sas(plan->gone, running.gateway);
  remove_sas(plan->changed, running.gateway);
  const auto refused = add_sas(std::move(*keyed), running);
  running.reach.settle(networks);
  for (TunnelConfig& tunnel : wanted.tunnels)
    if (refused.contains(tunnel.name)) forget_keys(tunnel);
  running.config = std::move(wanted);
  tell(*plan, running);
  return {};
}

}  // namespace espalier::cli
