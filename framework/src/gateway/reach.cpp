// SPDX-License-Identifier: Apache-2.0
#include "gateway/reach.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace espalier {
namespace {

using io::ProtectedNetworks;

ProtectedNetworks networks_of(const SaSpec& sa) {
  ProtectedNetworks networks;
  const bool out = sa.direction == Direction::outbound;
  for (const TrafficSelector& selector : sa.selectors) {
    networks.local.insert(out ? selector.source : selector.destination);
    networks.remote.insert(out ? selector.destination : selector.source);
  }
  return networks;
}

std::set<IpPrefix> without(const std::set<IpPrefix>& all, const std::set<IpPrefix>& some) {
  std::set<IpPrefix> rest;
  std::ranges::set_difference(all, some, std::inserter(rest, rest.end()));
  return rest;
}

ProtectedNetworks without(const ProtectedNetworks& all, const ProtectedNetworks& some) {
  return {without(all.local, some.local), without(all.remote, some.remote)};
}

// `then` after `first`.
void append(CoverChange& first, const CoverChange& then) {
  first.added.insert(first.added.end(), then.added.begin(), then.added.end());
  for (const IpPrefix& gone : then.removed)
    if (std::erase(first.added, gone) == 0) first.removed.push_back(gone);
}

// Packets of the tunnel itself would be routed into it. Of a transport mode SA that is so by
// nature, and whoever carries it has another way.
Result<void> check_loop(const SaSpec& sa, const IpPrefix& network) {
  if (sa.mode == Mode::transport || !network.contains(sa.peer.address)) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("The network {} of SA {} holds the address {} of its own peer: the "
                          "tunnel's packets would be routed into the tunnel. Give it selectors "
                          "without that address.",
                          to_string(network), sa.name, to_string(sa.peer.address)));
}

}  // namespace

Reach::Reach(InterfaceSetup& interface, io::Protection* rules, const ProtectedNetworks& configured)
    : interface_(interface), rules_(rules), configured_(configured) {
  count(configured);
}

Result<void> Reach::add(const SaSpec& sa) {
  const ProtectedNetworks networks = networks_of(sa);
  for (const IpPrefix& network : networks.remote)
    if (covering(remote_.outermost(), network) == nullptr)
      if (auto fine = check_loop(sa, network); !fine) return fine;
  return bring(networks, sa.mode == Mode::transport ? Routes::none : Routes::outermost);
}

void Reach::remove(const SaSpec& sa) { take(networks_of(sa)); }

Result<void> Reach::widen(const ProtectedNetworks& wanted) {
  const ProtectedNetworks added = without(wanted, configured_);
  const ProtectedNetworks before = configured_;
  configured_.local.insert(added.local.begin(), added.local.end());
  configured_.remote.insert(added.remote.begin(), added.remote.end());
  auto brought = bring(added, Routes::all);
  if (brought) return brought;
  configured_ = before;
  unroute(added.remote);
  return brought;
}

void Reach::settle(const ProtectedNetworks& wanted) {
  const ProtectedNetworks gone = without(configured_, wanted);
  configured_ = wanted;
  take(gone);
}

Reach::Change Reach::count(const ProtectedNetworks& networks) {
  Change change;
  for (const IpPrefix& network : networks.local) append(change.local, local_.add(network));
  for (const IpPrefix& network : networks.remote) append(change.remote, remote_.add(network));
  return change;
}

Reach::Change Reach::discount(const ProtectedNetworks& networks) {
  Change change;
  for (const IpPrefix& network : networks.local) append(change.local, local_.remove(network));
  for (const IpPrefix& network : networks.remote) append(change.remote, remote_.remove(network));
  return change;
}

// Closed before it is reached.
Result<void> Reach::bring(const ProtectedNetworks& networks, Routes routes) {
  const Change change = count(networks);
  auto done = protect(change);
  if (done && routes == Routes::all) done = route(networks.remote);
  if (done && routes == Routes::outermost) done = route(change.remote.added);
  if (done) {
    unroute(change.remote.removed);
  } else {
    const Change back = discount(networks);
    unroute(change.remote.added);
    static_cast<void>(protect(back));
  }
  return done;
}

// A network that another one held is reached by a route of its own again. Closed for longer than
// it is reached.
void Reach::take(const ProtectedNetworks& networks) {
  const Change change = discount(networks);
  static_cast<void>(route(change.remote.added));
  unroute(change.remote.removed);
  unroute(networks.remote);
  static_cast<void>(protect(change));
}

Result<void> Reach::route(const auto& networks) {
  for (const IpPrefix& network : networks)
    if (auto added = interface_.add_route(network); !added) return added;
  return {};
}

void Reach::unroute(const auto& networks) {
  for (const IpPrefix& network : networks)
    if (!configured_.remote.contains(network) && !remote_.outermost().contains(network))
      interface_.delete_route(network);
}

Result<void> Reach::protect(const Change& change) {
  if (rules_ == nullptr || (change.local.empty() && change.remote.empty())) return {};
  return rules_->follow({local_.outermost(), remote_.outermost()});
}

}  // namespace espalier
