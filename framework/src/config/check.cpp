// SPDX-License-Identifier: Apache-2.0
//
// What no table can tell alone.
#include <fmt/format.h>
#include <model/nearest_name.hpp>
#include <model/prefix_cover.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "config/draft.hpp"

namespace espalier::config {
namespace {

// Suggestions cost a look at every site: enough of them for a person, not for a broken generator.
constexpr int kMostSuggestions = 20;

using SiteIndex = std::map<std::string_view, const SiteDraft*>;

SiteIndex index_of(const ConfigDraft& draft) {
  SiteIndex index;
  for (const SiteDraft& site : draft.sites) index.emplace(site.site.name, &site);
  return index;
}

std::string suggestion(const SiteIndex& sites, std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto& [site, unused] : sites) known.push_back(site);
  return did_you_mean(known, name);
}

bool has_pair_of_one_family(const SiteDraft& first, const SiteDraft& second) {
  return std::ranges::any_of(first.site.networks, [&](const IpPrefix& mine) {
    return std::ranges::any_of(second.site.networks, [&](const IpPrefix& theirs) {
      return mine.address.family == theirs.address.family;
    });
  });
}

// What the two ends of a tunnel must have in common, and what not.
void check_ends(const TunnelDraft& tunnel, const SiteDraft& first, const SiteDraft& second,
                Findings& findings) {
  const Position at = tunnel.sites.front().at;
  if (first.address_at && second.address_at &&
      first.site.outer.address.family != second.site.outer.address.family)
    findings.error(at, fmt::format("the ends of tunnel '{}' have the addresses {} and {}: expected "
                                   "two of one IP version",
                                   tunnel.tunnel.name, to_string(first.site.outer.address),
                                   to_string(second.site.outer.address)));
  if (first.networks.empty() || second.networks.empty()) return;
  if (!has_pair_of_one_family(first, second))
    findings.error(at, fmt::format("tunnel '{}' could carry nothing: '{}' and '{}' have no "
                                   "networks of one IP version",
                                   tunnel.tunnel.name, first.site.name, second.site.name));
  for (const auto& mine : first.networks)
    for (const auto& theirs : second.networks)
      if (mine.value == theirs.value)
        findings.error(at, fmt::format("both ends of tunnel '{}' have the network {} ({} and {}): "
                                       "nobody could tell which end a packet is for",
                                       tunnel.tunnel.name, to_string(mine.value),
                                       findings.place(mine.at), findings.place(theirs.at)));
}

// Two tunnels of a site to one network: only one of them could ever carry a packet.
class Reach {
 public:
  explicit Reach(Findings& findings) : findings_(findings) {}

  void add(const TunnelDraft& tunnel, const SiteDraft& first, const SiteDraft& second) {
    if (lead(tunnel, first, second)) lead(tunnel, second, first);
  }

 private:
  // False, and a finding, if another tunnel leads to a network of `remote` already.
  bool lead(const TunnelDraft& tunnel, const SiteDraft& local, const SiteDraft& remote) {
    for (const auto& network : remote.networks) {
      const auto [entry, fresh] =
          tunnels_.emplace(std::pair(std::string_view(local.site.name), network.value), &tunnel);
      if (fresh || entry->second == &tunnel) continue;
      findings_.error(
          tunnel.name_at,
          fmt::format("tunnels '{}' ({}) and '{}' both lead from '{}' to {}: expected one way to "
                      "each network",
                      entry->second->tunnel.name, findings_.place(entry->second->name_at),
                      tunnel.tunnel.name, local.site.name, to_string(network.value)));
      return false;
    }
    return true;
  }

  Findings& findings_;
  std::map<std::pair<std::string_view, IpPrefix>, const TunnelDraft*> tunnels_;
};

// False, and a finding, if the name is taken.
bool check_name(const TunnelDraft& tunnel, std::map<std::string_view, Position>& names,
                Findings& findings) {
  if (tunnel.tunnel.name.empty()) return true;
  const auto [entry, fresh] = names.emplace(tunnel.tunnel.name, tunnel.name_at);
  if (!fresh)
    findings.error(tunnel.name_at,
                   fmt::format("there is a tunnel '{}' already, at {}: names must be unique",
                               tunnel.tunnel.name, findings.place(entry->second)));
  return fresh;
}

// What a key of a static tunnel is measured by.
struct KeySize {
  std::string_view name;
  std::size_t bytes;
};

void check_key(const TunnelDraft& tunnel, const StaticKeyDraft& keys, const KeySize& size,
               const std::optional<Located<SecretBytes>>& key, Findings& findings) {
  const std::string_view transform = tunnel.transform->name;
  if (!key && size.bytes > 0 && !keys.failed)
    findings.error(keys.at, fmt::format("there is no '{}': {} needs one of {} hex digits ({} "
                                        "bytes)",
                                        size.name, transform, 2 * size.bytes, size.bytes));
  else if (key && size.bytes == 0)
    findings.error(key->at, fmt::format("'{}' is given, but {} takes none", size.name, transform));
  else if (key && key->value.size() != size.bytes)
    findings.error(key->at,
                   fmt::format("'{}' has {} hex digits: {} needs {} ({} bytes)", size.name,
                               2 * key->value.size(), transform, 2 * size.bytes, size.bytes));
}

// Static keys that are no secret by the look of them. Looks at them where they are: no byte of a
// key is copied or shown.
class KeyLook {
 public:
  explicit KeyLook(Findings& findings) : findings_(findings) {}

  void look_at(std::string_view name, const std::optional<Located<SecretBytes>>& key) {
    if (!key || key->value.size() < 2) return;
    const Bytes bytes = key->value.view();
    if (std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == bytes.front(); })) {
      findings_.warning(key->at, fmt::format("'{}' is one byte over and over, which anybody would "
                                             "try first: expected a random key",
                                             name));
      return;
    }
    const auto [entry, fresh] = keys_.emplace(bytes, key->at);
    if (!fresh)
      findings_.warning(key->at,
                        fmt::format("'{}' is the key at {} again: expected one of its own for each "
                                    "SA, so for each direction of a tunnel",
                                    name, findings_.place(entry->second)));
  }

 private:
  using Bytes = std::span<const std::uint8_t>;
  struct Before {
    bool operator()(Bytes a, Bytes b) const { return std::ranges::lexicographical_compare(a, b); }
  };

  Findings& findings_;
  std::map<Bytes, Position, Before> keys_;
};

// The SPI tells the SAs that one site receives apart; with raw ESP, which has no ports, those that
// one address receives (RFC 4301 4.1).
class Spis {
 public:
  Spis(const SiteIndex& sites, Findings& findings) : sites_(sites), findings_(findings) {}

  void add(const TunnelDraft& tunnel) {
    const auto& spis = tunnel.keys.fixed->spis;
    if (spis.size() != 2 || tunnel.sites.size() != 2) return;
    for (const std::size_t i : {0UL, 1UL}) {
      const std::string& site = tunnel.sites[1 - i].value;
      if (!take(fmt::format("site '{}'", site), spis[i])) continue;
      const auto receiver = sites_.find(site);
      if (tunnel.tunnel.encapsulation == Encapsulation::none && receiver != sites_.end() &&
          receiver->second->address_at)
        take("address " + to_string(receiver->second->site.outer.address), spis[i]);
    }
  }

 private:
  // False, and a finding, if another SA to the receiver has it.
  bool take(std::string receiver, const Located<std::uint32_t>& spi) {
    const auto [entry, fresh] = taken_.emplace(std::pair(std::move(receiver), spi.value), spi.at);
    if (!fresh)
      findings_.error(spi.at,
                      fmt::format("SPI {:#x} is taken already at {}, by {}: expected one "
                                  "of its own for each SA that a site receives",
                                  spi.value, entry->first.first, findings_.place(entry->second)));
    return fresh;
  }

  const SiteIndex& sites_;
  Findings& findings_;
  std::map<std::pair<std::string, std::uint32_t>, Position> taken_;
};

}  // namespace

void check_sites(const ConfigDraft& draft, Findings& findings) {
  std::map<std::string_view, Position> names;
  std::map<Endpoint, const SiteDraft*> ends;
  for (const SiteDraft& site : draft.sites) {
    const auto [name, fresh_name] = names.emplace(site.site.name, site.at);
    if (!fresh_name) {
      findings.error(site.at,
                     fmt::format("there is a site '{}' already, at {}: names must be unique",
                                 site.site.name, findings.place(name->second)));
      continue;
    }
    if (site.address_at) {
      const auto [end, fresh_end] = ends.emplace(site.site.outer, &site);
      if (!fresh_end)
        findings.error(
            *site.address_at,
            fmt::format("site '{}' has the address and port of site '{}' ({}, at {}): "
                        "expected an end of its own",
                        site.site.name, end->second->site.name, to_string(site.site.outer),
                        findings.place(*end->second->address_at)));
    }
  }
}

void check_tunnels(const ConfigDraft& draft, Findings& findings) {
  const SiteIndex sites = index_of(draft);
  std::map<std::string_view, Position> names;
  Reach reach(findings);
  int suggestions = 0;
  for (const TunnelDraft& tunnel : draft.tunnels) {
    const bool repeated = !check_name(tunnel, names, findings);
    if (tunnel.transform && !tunnel.transform->warning.empty())
      findings.warning(tunnel.transform_at,
                       fmt::format("{}: {}", tunnel.transform->name, tunnel.transform->warning));
    std::vector<const SiteDraft*> ends;
    for (const auto& name : tunnel.sites) {
      if (const auto site = sites.find(name.value); site != sites.end())
        ends.push_back(site->second);
      else if (draft.complete)
        findings.error(
            name.at, fmt::format("there is no [site.{}]{}", name.value,
                                 ++suggestions > kMostSuggestions ? std::string()
                                                                  : suggestion(sites, name.value)));
    }
    if (ends.size() != 2) continue;
    if (ends[0] == ends[1]) {
      findings.error(tunnel.sites[1].at, fmt::format("tunnel '{}' leads from '{}' to itself: "
                                                     "expected two sites",
                                                     tunnel.tunnel.name, ends[0]->site.name));
      continue;
    }
    check_ends(tunnel, *ends[0], *ends[1], findings);
    if (!repeated) reach.add(tunnel, *ends[0], *ends[1]);
  }
}

// Its one port towards all peers has one encapsulation. Another site may be no gateway of ours.
void check_gateway(const ConfigDraft& draft, std::string_view site, Findings& findings) {
  if (draft.gateway.dataplane != Dataplane::userspace) return;
  std::map<std::string_view, const TunnelDraft*> first_tunnels;
  for (const TunnelDraft& tunnel : draft.tunnels)
    for (const auto& end : tunnel.sites) {
      if (!site.empty() && end.value != site) continue;
      const TunnelDraft& first = *first_tunnels.emplace(end.value, &tunnel).first->second;
      if (first.tunnel.encapsulation == tunnel.tunnel.encapsulation) continue;
      const std::string words = fmt::format(
          "tunnel '{}' has another encapsulation than tunnel '{}' ({}) of site '{}', which one "
          "gateway cannot serve: expected the same 'encapsulation' in all, or a gateway for each",
          tunnel.tunnel.name, first.tunnel.name, findings.place(first.name_at), end.value);
      if (site.empty())
        findings.warning(tunnel.name_at, words);
      else
        findings.error(tunnel.name_at, words);
    }
}

namespace {

// Networks that no tunnel carries, since all of the site's are in transport mode.
void check_unreached(const SiteDraft& site, const std::vector<const TunnelDraft*>& tunnels,
                     Findings& findings) {
  const auto in_transport = [](const TunnelDraft* t) { return t->tunnel.mode == Mode::transport; };
  if (!std::ranges::all_of(tunnels, in_transport)) return;
  for (const auto& network : site.networks)
    if (network.value != host(site.site.outer.address))
      findings.warning(
          tunnels.front()->mode_at,
          fmt::format("tunnel '{}' in transport mode carries what the two addresses say to each "
                      "other alone, so that nothing reaches {} of site '{}' ({}): expected mode = "
                      "\"tunnel\" for the networks behind a site",
                      tunnels.front()->tunnel.name, to_string(network.value), site.site.name,
                      findings.place(network.at)));
}

// Addresses from which packets leave that no tunnel carries.
void check_tun_addresses(const SiteDraft& site, Findings& findings) {
  for (const auto& address : site.tun_addresses) {
    const IpPrefix alone = host(address.value.address);
    if (std::ranges::any_of(site.site.networks,
                            [&](const IpPrefix& network) { return covers(network, alone); }))
      continue;
    findings.warning(
        address.at,
        fmt::format("the TUN device of site '{}' has the address {}, which is in none of its "
                    "'networks': packets from it are in no tunnel and are dropped",
                    site.site.name, to_string(address.value.address)));
  }
}

}  // namespace

void check_unused(const ConfigDraft& draft, Findings& findings) {
  std::map<std::string_view, std::vector<const TunnelDraft*>> used;
  for (const TunnelDraft& tunnel : draft.tunnels)
    for (const auto& site : tunnel.sites) used[site.value].push_back(&tunnel);
  for (const SiteDraft& site : draft.sites)
    if (const auto tunnels = used.find(site.site.name); tunnels == used.end())
      findings.warning(site.at, fmt::format("site '{}' is in no tunnel", site.site.name));
    else
      check_unreached(site, tunnels->second, findings);
  for (const SiteDraft& site : draft.sites) check_tun_addresses(site, findings);
}

void check_static_keys(const ConfigDraft& draft, Findings& findings) {
  const SiteIndex sites = index_of(draft);
  Spis spis(sites, findings);
  KeyLook all_keys(findings);
  for (const TunnelDraft& tunnel : draft.tunnels) {
    if (!tunnel.keys.fixed) continue;
    spis.add(tunnel);
    for (const StaticKeyDraft* keys : {&tunnel.keys.fixed->forward, &tunnel.keys.fixed->backward}) {
      all_keys.look_at("cipher_key", keys->cipher);
      all_keys.look_at("integrity_key", keys->integrity);
    }
    if (!tunnel.transform) continue;
    const Position at = tunnel.keys.fixed->at;
    if (is_counter_mode(tunnel.transform->transform.cipher)) {
      findings.error(
          at, fmt::format("{} cannot run on static keys: after a restart it would use the same key "
                          "and numbers again, which lays the traffic open and lets anybody forge "
                          "it; write keys = {{ file = \"{{site}}.keys\" }} and run 'espalier "
                          "keygen', or hand keys over the control socket with keys = {{ socket = "
                          "true }}",
                          tunnel.transform->name));
      continue;
    }
    findings.warning(at, fmt::format("static keys: the replay protection of tunnel '{}' ends at "
                                     "each restart, after which the other end must be restarted, "
                                     "too; prefer one-time keys ('espalier keygen')",
                                     tunnel.tunnel.name));
    for (const StaticKeyDraft* keys : {&tunnel.keys.fixed->forward, &tunnel.keys.fixed->backward}) {
      if (keys->at == Position{}) continue;  // missing, and reported as such
      check_key(tunnel, *keys, {"cipher_key", tunnel.transform->cipher_key_bytes}, keys->cipher,
                findings);
      check_key(tunnel, *keys, {"integrity_key", tunnel.transform->integrity_key_bytes},
                keys->integrity, findings);
    }
  }
}

void check_policy(const ConfigDraft& draft, Findings& findings) {
  std::map<std::string_view, Position> names;
  std::set<std::string_view> classes;
  for (const TunnelDraft& tunnel : draft.tunnels) classes.insert(tunnel.tunnel.traffic_class);
  const RuleDraft* everything = nullptr;
  for (const RuleDraft& rule : draft.rules) {
    const auto [name, fresh] = names.emplace(rule.rule.name, rule.name_at);
    if (!fresh && !rule.rule.name.empty())
      findings.error(rule.name_at,
                     fmt::format("there is a rule '{}' already, at {}: names must be unique",
                                 rule.rule.name, findings.place(name->second)));
    if (everything)
      findings.warning(rule.at, fmt::format("rule '{}' is never reached: rule '{}' before it "
                                            "matches every SA",
                                            rule.rule.name, everything->rule.name));
    else if (rule.rule.match == RuleMatch{})
      everything = &rule;
    const auto& wanted = rule.rule.match.traffic_class;
    if (!wanted || classes.contains(*wanted) || !draft.complete) continue;
    const std::vector<std::string_view> known(classes.begin(), classes.end());
    if (const std::string hint = did_you_mean(known, *wanted); !hint.empty())
      findings.warning(rule.class_at, fmt::format("no tunnel has the class '{}'{}", *wanted, hint));
  }
}

}  // namespace espalier::config
