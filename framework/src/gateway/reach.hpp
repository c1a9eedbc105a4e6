// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/interface_setup.hpp>
#include <espalier/sa.hpp>

#include "gateway/site_view.hpp"
#include "io/protection.hpp"
#include "model/prefix_cover.hpp"

#include <map>

namespace espalier {

// What the gateway reaches through its TUN device: the networks of the configuration, and for as
// long as they are there those of SAs that came over the control socket. Each has a route, and is
// closed to packets in the clear. A network that holds the address of a peer, or everything, has
// its route apart, so that the tunnels' own packets are not led into it. [control]
class Reach {
 public:
  // Both outlive this. Without rules (nullptr) there are only routes. The rules for the configured
  // networks are there already. `outer` is this gateway's end.
  Reach(InterfaceSetup& interface, io::Protection* rules, IpAddress outer, SiteReach configured);

  // The routes to the configured networks. An error has changed nothing.
  Result<void> open();

  // Before the SA carries its first packet. An error has changed nothing.
  Result<void> add(const SaSpec& sa);
  void remove(const SaSpec& sa);  // one that was added, after its last packet

  // Before packets that were meant for `made_for` go to where that peer is `now`, for as long as an
  // SA or the configuration names it. An error has changed nothing.
  Result<void> follow(const Endpoint& made_for, const IpAddress& now);

  // What a changed configuration adds; an error has changed nothing.
  Result<void> widen(const SiteReach& wanted);
  // What it takes away.
  void settle(const SiteReach& wanted);

 private:
  struct Change {
    CoverChange local, remote;
    std::set<IpAddress> gone;  // peers
  };

  Result<void> bring(const SiteReach& reach);
  void take(const SiteReach& reach);
  Change count(const SiteReach& reach);
  Change discount(const SiteReach& reach);
  void discount(const IpAddress& peer, std::set<IpAddress>& gone);
  Route route_to(const IpPrefix& network) const;
  bool is_routed(const IpPrefix& network) const;
  Result<void> route(const auto& networks);  // those that are to be routed
  Result<void> route_around(const std::set<IpAddress>& peers);
  void unroute(const auto& networks);  // those that nothing needs any more
  void unroute_hosts(const std::set<IpAddress>& peers);
  Result<void> protect(const Change& change);

  InterfaceSetup& interface_;
  io::Protection* rules_;
  IpAddress outer_;
  SiteReach configured_;
  PrefixCover local_, remote_;
  // And how many SAs and configurations have them, or have moved there.
  std::map<IpAddress, std::uint32_t> peers_;
  std::map<Endpoint, IpAddress> moved_;  // by the end that they were made for
};

}  // namespace espalier
