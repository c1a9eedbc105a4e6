// SPDX-License-Identifier: Apache-2.0
//
// Whether the limits that the operator sets have room for the SAs of a site, as far as that is the
// same on every machine.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "config/draft.hpp"

namespace espalier::config {
namespace {

// SAs that may go to some backends alone, by a rule or by the policy.
struct Confined {
  Position at;
  std::string_view rule;  // "": those that no rule matches
  Fallback fallback = Fallback::next;
  std::set<std::string_view> backends;
  std::optional<std::uint64_t> room;  // nothing: without end
  std::uint64_t sas = 0;
};

// What these take at the most, wherever they are.
std::optional<std::uint64_t> room_of(const std::set<std::string_view>& backends,
                                     const Policy& policy) {
  std::uint64_t room = 0;
  for (const std::string_view backend : backends) {
    if (std::ranges::find(policy.excluded, backend) != policy.excluded.end()) continue;
    const auto limit = std::ranges::find(policy.limits, backend, &BackendLimit::backend);
    if (limit == policy.limits.end()) return std::nullopt;
    room += limit->max_sas;
  }
  return room;
}

Confined confined(Position at, std::string_view rule, const std::vector<std::string>& backends,
                  Fallback fallback, const Policy& policy) {
  Confined some{at, rule, fallback, {backends.begin(), backends.end()}, {}};
  if (fallback == Fallback::software) some.backends.insert("openssl");
  if (fallback != Fallback::next) some.room = room_of(some.backends, policy);
  return some;
}

// One for each rule, then one for the SAs that none matches.
std::vector<Confined> confined_by(const Policy& policy, const ConfigDraft& draft) {
  std::vector<Confined> all;
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    const Rule& rule = policy.rules[i];
    all.push_back(confined(draft.rules.at(i).at, rule.name, rule.backends, rule.fallback, policy));
  }
  all.push_back(confined(draft.policy_at, "", policy.backends, policy.fallback, policy));
  return all;
}

void count(std::vector<Confined>& all, const std::vector<SaSpec>& sas, const Policy& policy) {
  for (Confined& some : all) some.sas = 0;
  for (const SaSpec& sa : sas) {
    const auto rule =
        std::ranges::find_if(policy.rules, [&](const Rule& one) { return one.match.matches(sa); });
    ++all.at(static_cast<std::size_t>(rule - policy.rules.begin())).sas;
  }
}

// Those of all SAs that may go to no other backends than these SAs.
std::uint64_t sas_within(const std::vector<Confined>& all, const Confined& these) {
  std::uint64_t sas = 0;
  for (const Confined& some : all)
    if (some.room && std::ranges::includes(these.backends, some.backends)) sas += some.sas;
  return sas;
}

std::string sentence(const Confined& some, std::uint64_t sas, std::string_view site) {
  const std::string whose = some.rule.empty() ? "the policy leaves its SAs"
                                              : fmt::format("rule '{}' leaves its SAs", some.rule);
  return fmt::format(
      "{} {} alone (fallback = \"{}\"), with room for {} by 'max_sas' and 'enabled', but site '{}' "
      "has {} for them: expected more room, another backend in the list, or fallback = \"next\"",
      whose,
      some.backends.empty() ? "no backend" : fmt::format("{}", fmt::join(some.backends, ", ")),
      to_string(some.fallback), *some.room, site, sas);
}

}  // namespace

void check_limits(const ConfigDraft& draft, const GatewayConfig& config, Findings& findings) {
  auto all = confined_by(config.policy, draft);
  if (std::ranges::none_of(all, [](const Confined& some) { return some.room.has_value(); })) return;
  for (const auto& [site, unused] : config.sites) {
    if (!config.site.empty() && site != config.site) continue;
    const auto sas = sa_specs(config, site);
    if (!sas) continue;
    count(all, *sas, config.policy);
    for (const Confined& some : all) {
      if (!some.room || some.sas == 0) continue;
      const std::uint64_t wanted = sas_within(all, some);
      if (wanted <= *some.room) continue;
      if (config.site.empty())
        findings.warning(some.at, sentence(some, wanted, site));
      else
        findings.error(some.at, sentence(some, wanted, site));
    }
  }
}

}  // namespace espalier::config
