// SPDX-License-Identifier: Apache-2.0
//
// The nftables rules that keep a gateway's traffic out of the clear, as text for one transaction
// each. A table of its own, "inet espalier-SITE", drops
//   arriving, forwarded, received
//             what comes from a remote network to a local one on anything but the TUN device: as it
//             arrives, and once more as the machine's own NAT has rewritten its destination
//   sending   what this machine itself sends to a remote network on anything but the TUN device,
//             from whatever address: once the device is gone it takes any
//   leaving   what passes from a local network to a remote one on anything but the TUN device
// and lets through the tunnels' own packets and IKE's, also in fragments, whatever stays on the
// link (neighbour discovery, multicast), loopback, and local networks that lie inside of a remote
// one. Single hosts behind the peers are in sets of their own: remote access has many, which come
// and go, and a set without intervals takes or loses an element in constant time.
#pragma once

#include <espalier/address.hpp>

#include "model/prefix_cover.hpp"

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

struct NetworksChange {
  CoverChange local, remote;
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
// Makes the change to the networks; from rules that stand for those before to rules for those
// after,
// "" if these are the same.
std::string change_text(std::string_view site, ProtectedNetworks& networks,
                        const NetworksChange& change);
std::string removal_text(std::string_view site);  // of a table that may be there or not

}  // namespace espalier::io
