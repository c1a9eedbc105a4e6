// SPDX-License-Identifier: Apache-2.0
#include "io/detour.hpp"

#include "model/prefix_cover.hpp"

namespace espalier::io {
namespace {

constexpr std::uint32_t kFirstPriority = 20000;  // before the rules of the main table, 32766
constexpr std::uint32_t kFirstTable = 4500000;
constexpr std::uint32_t kSites = 3000;  // that numbers are taken for
constexpr std::uint16_t kIkePorts[] = {500, 4500};

// FNV-1a.
std::uint32_t hash(std::string_view text) {
  std::uint32_t value = 2166136261u;
  for (const char c : text) value = (value ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return value;
}

}  // namespace

Detour detour_of(std::string_view site) {
  const std::uint32_t number = hash(site) % kSites;
  const std::uint32_t table = kFirstTable + 2 * number;
  return {.mark = table,
          .hosts = table,
          .networks = table + 1,
          .priority = kFirstPriority + kDetourRules * number};
}

std::vector<RoutingRule> standing_rules(const Detour& detour, Family family) {
  std::vector<RoutingRule> rules;
  for (const std::uint16_t port : kIkePorts)
    rules.push_back({.family = family, .priority = detour.priority, .from_port = port});
  rules.push_back({.family = family,
                   .priority = detour.priority + 1,
                   .table = detour.hosts,
                   .unless_mark = detour.mark});
  rules.push_back({.family = family,
                   .priority = detour.priority + 3,
                   .table = detour.networks,
                   .unless_mark = detour.mark});
  return rules;
}

std::vector<RoutingRule> rules_for(const Detour& detour, const IpPrefix& network) {
  if (is_host(network)) return {};
  return {{.family = network.address.family,
           .priority = detour.priority + 2,
           .to = network,
           .longer = network.length}};
}

std::uint32_t table_for(const Detour& detour, const IpPrefix& network) {
  return is_host(network) ? detour.hosts : detour.networks;
}

}  // namespace espalier::io
