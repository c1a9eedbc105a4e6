// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/interface_setup.hpp>
#include <espalier/sa.hpp>

#include "io/protection.hpp"
#include "model/prefix_cover.hpp"

namespace espalier {

// What the gateway reaches through its TUN device: the networks of the configuration, and for as
// long as they are there those of SAs that came over the control socket. Each has a route, and is
// closed to packets in the clear. [control]
class Reach {
 public:
  // Both outlive this. Without rules (nullptr) there are only routes. The routes to the configured
  // networks and the rules for them are there already.
  Reach(InterfaceSetup& interface, io::Protection* rules, const io::ProtectedNetworks& configured);

  // Before the SA carries its first packet. An error has changed nothing.
  Result<void> add(const SaSpec& sa);
  void remove(const SaSpec& sa);  // one that was added, after its last packet

  // What a changed configuration adds; an error has changed nothing.
  Result<void> widen(const io::ProtectedNetworks& wanted);
  // What it takes away.
  void settle(const io::ProtectedNetworks& wanted);

 private:
  enum class Routes { none, outermost, all };
  struct Change {
    CoverChange local, remote;
  };

  Result<void> bring(const io::ProtectedNetworks& networks, Routes routes);
  void take(const io::ProtectedNetworks& networks);
  Change count(const io::ProtectedNetworks& networks);
  Change discount(const io::ProtectedNetworks& networks);
  Result<void> route(const auto& networks);
  void unroute(const auto& networks);  // those that nothing needs any more
  Result<void> protect(const Change& change);

  InterfaceSetup& interface_;
  io::Protection* rules_;
  io::ProtectedNetworks configured_;
  PrefixCover local_, remote_;
};

}  // namespace espalier
