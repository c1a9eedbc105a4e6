// SPDX-License-Identifier: Apache-2.0
//
// The nftables rules that keep a gateway's traffic out of the clear, as text for one transaction
// each. A table of its own, "inet espalier-SITE", drops
//   arriving  what comes from a remote network to a local one on anything but the TUN device
//   sending   what this machine itself sends to a remote network on anything but the TUN device,
//             from whatever address: once the device is gone it takes any
//   leaving   what passes from a local network to a remote one on anything but the TUN device
// and lets through the tunnels' own packets and IKE's, also in fragments, whatever stays on the
// link (neighbour discovery, multicast), loopback, and local networks that lie inside of a remote
// one.
#pragma once

#include <espalier/address.hpp>

#include <set>
#include <string>
#include <string_view>

namespace espalier::io {

// No two prefixes of a set may overlap (PrefixCover gives such sets).
struct ProtectedNetworks {
  std::set<IpPrefix> local;   // behind this gateway
  std::set<IpPrefix> remote;  // behind its peers

  friend bool operator==(const ProtectedNetworks&, const ProtectedNetworks&) = default;
};

// Names as a configuration takes them: letters, digits, '.', '_' and '-'.
struct ProtectionRules {
  std::string site;
  std::string interface;  // the TUN device
  Endpoint outer;         // this gateway's end of the tunnels
  ProtectedNetworks networks;
};

std::string table_of(std::string_view site);  // "espalier-left"

// Sets the rules up, in place of those that a table of this name holds: no packet sees a moment
// without the one or the other.
std::string rules_text(const ProtectionRules& rules);
// From rules that stand for `from` to rules for `to`; "" if these are the same.
std::string change_text(std::string_view site, const ProtectedNetworks& from,
                        const ProtectedNetworks& to);
std::string removal_text(std::string_view site);  // of a table that may be there or not

}  // namespace espalier::io
