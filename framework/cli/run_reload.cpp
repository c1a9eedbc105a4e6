// SPDX-License-Identifier: Apache-2.0
#include "run_reload.hpp"

#include "gateway/reload_plan.hpp"
#include "gateway/site_view.hpp"
#include "model/sentence.hpp"
#include "run_keys.hpp"
#include "run_places.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace espalier::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
constexpr std::chrono::seconds kGrace = 5s;

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
std::vector<std::string> sas_of(const std::vector<std::string>& tunnels) {
  std::vector<std::string> names;
  for (const std::string& tunnel : tunnels)
    for (const std::string_view end : {"/out", "/in"})
      names.push_back(fmt::format("{}{}", tunnel, end));
  return names;
}

void remove_sas(const std::vector<std::string>& tunnels, SaControl& gateway) {
  for (const std::string& name : sas_of(tunnels)) static_cast<void>(gateway.remove(name));
}

// The SAs that the reload takes away, or replaces.
std::vector<GatewaySa> leaving(const ReloadPlan& plan, const SaControl& gateway) {
  std::vector<GatewaySa> sas;
  for (const auto* tunnels : {&plan.gone, &plan.changed})
    for (const std::string& name : sas_of(*tunnels))
      if (auto sa = gateway.find(name)) sas.push_back(std::move(*sa));
  return sas;
}

// Two tunnels may change SPIs with each other: what holds one that another wants goes first.
void free_spis(const ReloadPlan& plan, const std::vector<KeyedSa>& wanted, SaControl& gateway) {
  std::map<std::pair<std::uint32_t, Direction>, std::string_view> by_spi;
  for (const KeyedSa& sa : wanted)
    by_spi.emplace(std::pair(sa.spec.spi, sa.spec.direction), sa.spec.name);
  for (const std::string& name : sas_of(plan.changed)) {
    const auto old = gateway.find(name);
    if (!old) continue;
    const auto other = by_spi.find({old->spec.spi, old->spec.direction});
    if (other != by_spi.end() && other->second != name) static_cast<void>(gateway.remove(name));
  }
}

// Changed tunnels whose SAs come over the socket from now on.
std::vector<std::string> without_new_sas(const ReloadPlan& plan,
                                         const std::vector<KeyedSa>& wanted) {
  std::vector<std::string> tunnels;
  for (const std::string& tunnel : plan.changed)
    if (std::ranges::none_of(wanted,
                             [&](const KeyedSa& sa) { return tunnel_of(sa.spec) == tunnel; }))
      tunnels.push_back(tunnel);
  return tunnels;
}

bool has_only_another_spi(SaSpec a, const SaSpec& b) {
  a.spi = b.spi;
  return a == b;
}

// Puts the SA in the place of the one of its name, if there is one: where there is room for both
// the new one comes first, so that no packet finds none. Where only the keys are new, a peer that
// has not followed yet is heard for a while.
Result<void> replace(KeyedSa& sa, SaControl& gateway) {
  if (const auto old = gateway.find(sa.spec.name)) {
    const auto grace = has_only_another_spi(old->spec, sa.spec) ? kGrace : 0s;
    if (gateway.rekey(sa.spec.name, sa.spec, std::move(sa.keys), grace)) return {};
    static_cast<void>(gateway.remove(sa.spec.name));
  }
  auto added = gateway.add(sa.spec, std::move(sa.keys));
  if (!added) return std::unexpected(std::move(added.error()));
  return {};
}

using Names = std::set<std::string, std::less<>>;

// The tunnels of which an SA was refused; none of their SAs is left.
Names add_sas(std::vector<KeyedSa> sas, const Running& running) {
  Names refused;
  for (KeyedSa& sa : sas) {
    const std::string tunnel(tunnel_of(sa.spec));
    if (refused.contains(tunnel)) continue;
    if (auto added = replace(sa, running.gateway); !added) {
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

// Key files that nobody has claimed, though all tunnels have their keys: what new tunnels need was
// claimed before, which renames it.
std::set<fs::path> fresh_key_files(const GatewayConfig& config) {
  std::set<fs::path> files;
  std::error_code unused;
  for (const TunnelConfig& tunnel : config.tunnels)
    if (is_own(tunnel, config) && !tunnel.key_file.empty() && fs::exists(tunnel.key_file, unused))
      files.insert(tunnel.key_file);
  return files;
}

// "2 gone (a, b)": so many of a long list that a line holds them.
std::string named(std::string counted, const std::vector<std::string>& tunnels) {
  constexpr std::size_t most = 5;
  if (tunnels.empty()) return counted;
  const auto first = std::span(tunnels).first(std::min(most, tunnels.size()));
  const std::string more =
      tunnels.size() > most ? fmt::format(" and {} more", tunnels.size() - most) : "";
  return fmt::format("{} ({}{})", counted, fmt::join(first, ", "), more);
}

// That tunnels were refused was said when they were.
void tell(const ReloadPlan& plan, const Names& refused, const Running& running) {
  running.log(
      ESPALIER_LOG_INFO,
      fmt::format("Reloaded {}: {}, {}, {}; policy {}; {} run.{}", running.config.file.native(),
                  named(counted(plan.added.size(), "tunnel") + " added", plan.added),
                  named(fmt::format("{} changed", plan.changed.size()), plan.changed),
                  named(fmt::format("{} gone", plan.gone.size()), plan.gone),
                  plan.policy_changed ? "changed" : "unchanged",
                  counted(running.gateway.size(), "SA"),
                  plan.policy_changed ? " Those that ran before stay where they are." : ""));
  for (const std::string& tunnel : tunnels_by_socket(running.config))
    if (!refused.contains(tunnel) && (std::ranges::binary_search(plan.added, tunnel) ||
                                      std::ranges::binary_search(plan.changed, tunnel)))
      running.log(ESPALIER_LOG_INFO, waits_for_its_sas(tunnel, running.config));
  for (const fs::path& file : fresh_key_files(running.config))
    running.log(ESPALIER_LOG_WARNING,
                fmt::format("The fresh key file '{}' was left alone, since tunnels that run keep "
                            "their keys. For new ones stop the gateway and start it; or take the "
                            "tunnel out of the configuration, reload, put it back, and reload.",
                            file.native()));
}

// An error has changed nothing.
Result<void> reload(const Running& running, GatewayConfig wanted) {
  const auto plan = reload_plan(running.config, wanted);
  if (!plan) return std::unexpected(plan.error());
  auto specs = new_specs(wanted, *plan);
  if (!specs) return std::unexpected(specs.error());
  if (running.path)
    for (SaSpec& sa : *specs) sa.interface = running.path(sa);
  if (auto places =
          check_places(*specs, running.placer, wanted.policy, leaving(*plan, running.gateway));
      !places)
    return places;
  const auto reach = reach_of(wanted);
  if (running.reach != nullptr)
    if (auto reached = running.reach->widen(reach); !reached) return reached;
  auto keyed = claim_keys(wanted, *specs, running.secrets);
  if (!keyed) {
    const std::string which = plan->changed.empty()
                                  ? ""
                                  : fmt::format("Tunnels that have changed need new keys ({}): ",
                                                fmt::join(plan->changed, ", "));
    keyed.error().message = which + keyed.error().message;
    if (running.reach != nullptr) running.reach->settle(reach_of(running.config));
    return std::unexpected(keyed.error());
  }

  running.placer.set_policy(wanted.policy);
  remove_sas(plan->gone, running.gateway);
  remove_sas(without_new_sas(*plan, *keyed), running.gateway);
  free_spis(*plan, *keyed, running.gateway);
  // What is replaced may keep its room for a while; a tunnel that is new needs its own at once.
  std::ranges::sort(*keyed, {}, [&](const KeyedSa& sa) {
    const bool added = std::ranges::binary_search(plan->added, tunnel_of(sa.spec));
    return std::pair(!added, std::string_view(sa.spec.name));
  });
  const auto refused = add_sas(std::move(*keyed), running);
  if (running.reach != nullptr) running.reach->settle(reach);
  for (TunnelConfig& tunnel : wanted.tunnels)
    if (refused.contains(tunnel.name)) forget_keys(tunnel);
  running.config = std::move(wanted);
  tell(*plan, refused, running);
  return {};
}

}  // namespace

bool follow(const Running& running, ConfigReading reading,
            const std::vector<BackendInfo>& backends) {
  const bool usable = reading.config && tell_names(reading, backends);
  const auto done = usable ? reload(running, std::move(*reading.config))
                           : fail(ErrorCode::invalid, "The configuration has errors.");
  if (!done)
    running.log(ESPALIER_LOG_ERROR,
                fmt::format("Nothing was reloaded, and the gateway goes on as before: {}",
                            done.error().message));
  return done.has_value();
}

}  // namespace espalier::cli
