// SPDX-License-Identifier: Apache-2.0
#include "io/protection_rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

namespace espalier::io {
namespace {

constexpr std::string_view kNotThrough = "not through the tunnel";

// Local networks inside of a remote one, as where a peer is the way to everywhere: between them and
// this machine no tunnel is passed. One that itself holds a remote network stays closed.
std::set<IpPrefix> own_networks(const ProtectedNetworks& networks) {
  std::set<IpPrefix> own;
  for (const IpPrefix& local : networks.local) {
    const IpPrefix* around = covering(networks.remote, local);
    if (around != nullptr && *around != local) own.insert(own.end(), local);
  }
  return own;
}

struct NamedSet {
  std::string_view name, comment, flags;
};
constexpr std::string_view kIntervals = " flags interval;";
constexpr NamedSet kLocal{"local", "behind this gateway", kIntervals};
constexpr NamedSet kRemote{"remote", "networks behind its peers", kIntervals};
constexpr NamedSet kHosts{"hosts", "hosts behind its peers", ""};
constexpr NamedSet kOwn{"own", "behind this gateway, inside of what is behind its peers",
                        kIntervals};

constexpr std::pair<Family, int> kFamilies[] = {{Family::ipv4, 4}, {Family::ipv6, 6}};

// "add element inet espalier-left remote4 { 10.2.0.0/24 }", for each family that has one.
std::string elements(std::string_view verb, std::string_view table, const NamedSet& set,
                     auto&& prefixes) {
  std::string text;
  for (const auto& [family, number] : kFamilies) {
    std::vector<std::string> words;
    for (const IpPrefix& prefix : prefixes)
      if (prefix.address.family == family)
        words.push_back(is_host(prefix) ? to_string(prefix.address) : to_string(prefix));
    if (!words.empty())
      text += fmt::format("{} element inet {} {}{} {{ {} }}\n", verb, table, set.name, number,
                          fmt::join(words, ", "));
  }
  return text;
}

std::string remote_elements(std::string_view verb, std::string_view table, const auto& prefixes) {
  const auto is_network = [](const IpPrefix& prefix) { return !is_host(prefix); };
  return elements(verb, table, kRemote, std::views::filter(prefixes, is_network)) +
         elements(verb, table, kHosts, std::views::filter(prefixes, is_host));
}

std::string sets_text(std::string_view table, const ProtectedNetworks& networks) {
  std::string text;
  for (const NamedSet& set : {kLocal, kRemote, kHosts, kOwn})
    for (const auto& [family, number] : kFamilies)
      text += fmt::format(
          "add set inet {0} {1}{2} {{ type ipv{2}_addr;{3} comment \"{4}\"; }}\n"
          "flush set inet {0} {1}{2}\n",
          table, set.name, number, set.flags, set.comment);
  return text + elements("add", table, kLocal, networks.local) +
         remote_elements("add", table, networks.remote) +
         elements("add", table, kOwn, own_networks(networks));
}

std::string chains_text(std::string_view table) {
  constexpr std::pair<std::string_view, std::string_view> kChains[] = {
      {"pass", ""},
      {"inbound", ""},
      {"arriving", " { type filter hook prerouting priority raw; policy accept; }"},
      {"forwarded", " { type filter hook forward priority filter; policy accept; }"},
      {"received", " { type filter hook input priority filter; policy accept; }"},
      {"sending", " { type filter hook output priority filter; policy accept; }"},
      {"leaving", " { type filter hook postrouting priority filter; policy accept; }"}};
  std::string text;
  for (const auto& [chain, hook] : kChains)
    text +=
        fmt::format("add chain inet {0} {1}{2}\nflush chain inet {0} {1}\n", table, chain, hook);
  return text;
}

// The fields of a packet that is on its way in or out.
struct Way {
  std::string_view device, here, port, there;
};
constexpr Way kIn{"iifname", "daddr", "dport", "saddr"};
constexpr Way kOut{"oifname", "saddr", "sport", "daddr"};

// "ip daddr 192.0.2.1": the end of the tunnels that is here.
std::string this_end(const IpAddress& outer, const Way& way) {
  const bool v4 = outer.family == Family::ipv4;
  if (outer == IpAddress{.family = outer.family})
    return fmt::format("meta nfproto {}", v4 ? "ipv4" : "ipv6");
  return fmt::format("{} {} {}", v4 ? "ip" : "ip6", way.here, to_string(outer));
}

// Only the first fragment of a datagram says its ports; without it the others are nothing. What
// leaves is cut after these rules.
std::string later_fragments(const IpAddress& outer) {
  return fmt::format("{} meta l4proto udp {} != 0 accept comment \"fragments of that\"",
                     this_end(outer, kIn),
                     outer.family == Family::ipv4 ? "ip frag-off & 0x1fff" : "frag frag-off");
}

// What may come or go on any device.
std::vector<std::string> pass_rules(const ProtectionRules& rules, const Way& way) {
  const std::string end = this_end(rules.outer.address, way);
  std::set<std::uint16_t> ports{500, 4500};
  if (rules.outer.port != 0) ports.insert(rules.outer.port);
  return {
      fmt::format("{} {{ \"lo\", \"{}\" }} accept", way.device, rules.interface),
      fmt::format("{} meta l4proto esp accept comment \"the tunnels themselves\"", end),
      fmt::format("{} udp {} {{ {} }} accept comment \"the same in UDP, and IKE\"", end, way.port,
                  fmt::join(ports, ", ")),
      "ip daddr { 224.0.0.0/24, 255.255.255.255 } accept comment \"stays on the link\"",
      "ip6 saddr fe80::/10 accept comment \"stays on the link\"",
      "ip6 daddr { fe80::/10, ff02::/16 } accept comment \"stays on the link\"",
      "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
      "nd-neighbor-advert } ip6 hoplimit 255 accept comment \"stays on the link\"",
      fmt::format("ip {} @own4 accept", way.there),
      fmt::format("ip6 {} @own6 accept", way.there),
  };
}

// `condition` for each family and both sets of what is remote, with "ip", "4" and the set in place
// of its braces.
std::vector<std::string> drop_rules(std::string_view condition, std::string_view why) {
  std::vector<std::string> rules;
  for (const auto& [family, number] : kFamilies)
    for (const NamedSet& set : {kRemote, kHosts})
      rules.push_back(
          fmt::format("{} counter drop comment \"{}\"",
                      fmt::format(fmt::runtime(condition), family == Family::ipv4 ? "ip" : "ip6",
                                  number, fmt::format("@{}{}", set.name, number)),
                      why));
  return rules;
}

std::string chain_text(std::string_view table, std::string_view chain,
                       const std::vector<std::string>& rules) {
  std::string text;
  for (const std::string& rule : rules)
    text += fmt::format("add rule inet {} {} {}\n", table, chain, rule);
  return text;
}

// Gives what was not so before.
CoverChange make(const CoverChange& change, std::set<IpPrefix>& prefixes) {
  CoverChange made;
  for (const IpPrefix& gone : change.removed)
    if (prefixes.erase(gone) > 0) made.removed.push_back(gone);
  for (const IpPrefix& added : change.added)
    if (prefixes.insert(added).second) made.added.push_back(added);
  return made;
}

CoverChange difference(const std::set<IpPrefix>& before, const std::set<IpPrefix>& after) {
  CoverChange change;
  std::ranges::set_difference(before, after, std::back_inserter(change.removed));
  std::ranges::set_difference(after, before, std::back_inserter(change.added));
  return change;
}

}  // namespace

std::string table_of(std::string_view site) { return fmt::format("espalier-{}", site); }

std::string rules_text(const ProtectionRules& rules) {
  const std::string table = table_of(rules.site);
  std::string text = fmt::format(
      "add table inet {} {{ comment \"Espalier, site {}: only {} carries what its tunnels "
      "protect\"; }}\n",
      table, rules.site, rules.interface);
  text += sets_text(table, rules.networks) + chains_text(table);
  text += chain_text(table, "inbound", pass_rules(rules, kIn));
  text += chain_text(table, "inbound", {later_fragments(rules.outer.address)});
  text += chain_text(table, "inbound", drop_rules("{0} saddr {2}", "came in the clear"));
  for (const std::string_view chain : {"arriving", "forwarded", "received"})
    text += chain_text(table, chain,
                       {"ip daddr @local4 jump inbound", "ip6 daddr @local6 jump inbound"});
  text += chain_text(table, "pass", pass_rules(rules, kOut));
  text += chain_text(table, "sending", {"jump pass"});
  text += chain_text(table, "sending", drop_rules("{0} daddr {2}", kNotThrough));
  text += chain_text(table, "leaving", {"jump pass"});
  text +=
      chain_text(table, "leaving", drop_rules("{0} saddr @local{1} {0} daddr {2}", kNotThrough));
  return text;
}

std::string change_text(std::string_view site, ProtectedNetworks& networks,
                        const NetworksChange& change) {
  const std::string table = table_of(site);
  const auto own_before = own_networks(networks);
  const CoverChange local = make(change.local, networks.local);
  const CoverChange remote = make(change.remote, networks.remote);
  const CoverChange own = difference(own_before, own_networks(networks));
  return elements("delete", table, kLocal, local.removed) +
         elements("add", table, kLocal, local.added) +
         remote_elements("delete", table, remote.removed) +
         remote_elements("add", table, remote.added) +
         elements("delete", table, kOwn, own.removed) + elements("add", table, kOwn, own.added);
}

std::string removal_text(std::string_view site) {
  return fmt::format("add table inet {0}\ndelete table inet {0}\n", table_of(site));
}

}  // namespace espalier::io
