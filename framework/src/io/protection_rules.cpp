// SPDX-License-Identifier: Apache-2.0
#include "io/protection_rules.hpp"

#include "model/prefix_cover.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
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
  std::string_view name, comment;
  std::set<IpPrefix> prefixes;
};

std::array<NamedSet, 3> sets_of(const ProtectedNetworks& networks) {
  return {NamedSet{"local", "behind this gateway", networks.local},
          NamedSet{"remote", "behind its peers", networks.remote},
          NamedSet{"own", "behind this gateway, inside of what is behind its peers",
                   own_networks(networks)}};
}

constexpr std::pair<Family, int> kFamilies[] = {{Family::ipv4, 4}, {Family::ipv6, 6}};

// "add element inet espalier-left remote4 { 10.2.0.0/24 }", for each family that has one.
template <class Prefixes>
std::string elements(std::string_view verb, std::string_view table, std::string_view set,
                     const Prefixes& prefixes) {
  std::string text;
  for (const auto& [family, number] : kFamilies) {
    std::vector<std::string> words;
    for (const IpPrefix& prefix : prefixes)
      if (prefix.address.family == family) words.push_back(to_string(prefix));
    if (!words.empty())
      text += fmt::format("{} element inet {} {}{} {{ {} }}\n", verb, table, set, number,
                          fmt::join(words, ", "));
  }
  return text;
}

std::string sets_text(std::string_view table, const ProtectedNetworks& networks) {
  std::string text;
  for (const NamedSet& set : sets_of(networks)) {
    for (const auto& [family, number] : kFamilies)
      text += fmt::format(
          "add set inet {0} {1}{2} {{ type ipv{2}_addr; flags interval; comment \"{3}\"; }}\n"
          "flush set inet {0} {1}{2}\n",
          table, set.name, number, set.comment);
    text += elements("add", table, set.name, set.prefixes);
  }
  return text;
}

std::string chains_text(std::string_view table) {
  constexpr std::pair<std::string_view, std::string_view> kChains[] = {
      {"pass", ""},
      {"arriving", " { type filter hook prerouting priority raw; policy accept; }"},
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

// `condition` for each family, with "ip" and "4" in place of its braces.
std::vector<std::string> drop_rules(std::string_view condition, std::string_view why) {
  std::vector<std::string> rules;
  for (const auto& [family, number] : kFamilies)
    rules.push_back(fmt::format(
        "{} counter drop comment \"{}\"",
        fmt::format(fmt::runtime(condition), family == Family::ipv4 ? "ip" : "ip6", number), why));
  return rules;
}

std::string chain_text(std::string_view table, std::string_view chain,
                       const std::vector<std::string>& rules) {
  std::string text;
  for (const std::string& rule : rules)
    text += fmt::format("add rule inet {} {} {}\n", table, chain, rule);
  return text;
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
  text += chain_text(table, "arriving", pass_rules(rules, kIn));
  text += chain_text(table, "arriving", {later_fragments(rules.outer.address)});
  text += chain_text(table, "arriving",
                     drop_rules("{0} saddr @remote{1} {0} daddr @local{1}", "came in the clear"));
  text += chain_text(table, "pass", pass_rules(rules, kOut));
  text += chain_text(table, "sending", {"jump pass"});
  text += chain_text(table, "sending", drop_rules("{0} daddr @remote{1}", kNotThrough));
  text += chain_text(table, "leaving", {"jump pass"});
  text += chain_text(table, "leaving",
                     drop_rules("{0} saddr @local{1} {0} daddr @remote{1}", kNotThrough));
  return text;
}

std::string change_text(std::string_view site, const ProtectedNetworks& from,
                        const ProtectedNetworks& to) {
  const auto before = sets_of(from), after = sets_of(to);
  std::string text;
  for (std::size_t i = 0; i < before.size(); ++i) {
    std::vector<IpPrefix> gone, added;
    std::ranges::set_difference(before[i].prefixes, after[i].prefixes, std::back_inserter(gone));
    std::ranges::set_difference(after[i].prefixes, before[i].prefixes, std::back_inserter(added));
    text += elements("delete", table_of(site), before[i].name, gone);
    text += elements("add", table_of(site), before[i].name, added);
  }
  return text;
}

std::string removal_text(std::string_view site) {
  return fmt::format("add table inet {0}\ndelete table inet {0}\n", table_of(site));
}

}  // namespace espalier::io
