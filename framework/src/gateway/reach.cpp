// SPDX-License-Identifier: Apache-2.0
#include "gateway/reach.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace espalier {
namespace {

SiteReach reach_of(const SaSpec& sa) {
  SiteReach reach{{}, {sa.peer.address}};
  const bool out = sa.direction == Direction::outbound;
  for (const TrafficSelector& selector : sa.selectors) {
    reach.networks.local.insert(out ? selector.source : selector.destination);
    reach.networks.remote.insert(out ? selector.destination : selector.source);
  }
  return reach;
}

template <class Value>
std::set<Value> without(const std::set<Value>& all, const std::set<Value>& some) {
  std::set<Value> rest;
  std::ranges::set_difference(all, some, std::inserter(rest, rest.end()));
  return rest;
}

SiteReach without(const SiteReach& all, const SiteReach& some) {
  return {{without(all.networks.local, some.networks.local),
           without(all.networks.remote, some.networks.remote)},
          without(all.peers, some.peers)};
}

// `then` after `first`.
void append(CoverChange& first, const CoverChange& then) {
  first.added.insert(first.added.end(), then.added.begin(), then.added.end());
  for (const IpPrefix& gone : then.removed)
    if (std::erase(first.added, gone) == 0) first.removed.push_back(gone);
}

bool is_any(const IpAddress& address) { return address == IpAddress{.family = address.family}; }

}  // namespace

Reach::Reach(InterfaceSetup& interface, io::Protection* rules, IpAddress outer,
             SiteReach configured)
    : interface_(interface), rules_(rules), outer_(outer), configured_(std::move(configured)) {
  count(configured_);
}

Result<void> Reach::open() {
  auto done = route(configured_.networks.remote);
  if (!done)
    for (const IpPrefix& network : configured_.networks.remote) interface_.delete_route(network);
  return done;
}

Result<void> Reach::add(const SaSpec& sa) { return bring(reach_of(sa)); }
void Reach::remove(const SaSpec& sa) { take(reach_of(sa)); }

Result<void> Reach::follow(const Endpoint& made_for, const IpAddress& now) {
  const auto known = moved_.find(made_for);
  if (known != moved_.end() && known->second == now) return {};
  ++peers_[now];
  std::set<IpAddress> gone;
  auto done = route_around({now});
  if (!done)
    discount(now, gone);
  else if (known != moved_.end())
    discount(std::exchange(known->second, now), gone);
  else
    moved_.emplace(made_for, now);
  unroute_hosts(gone);
  return done;
}

Result<void> Reach::widen(const SiteReach& wanted) {
  const SiteReach added = without(wanted, configured_);
  const SiteReach before = configured_;
  configured_.networks.local.insert(added.networks.local.begin(), added.networks.local.end());
  configured_.networks.remote.insert(added.networks.remote.begin(), added.networks.remote.end());
  configured_.peers.insert(added.peers.begin(), added.peers.end());
  auto brought = bring(added);
  if (brought) return brought;
  configured_ = before;
  unroute(added.networks.remote);
  return brought;
}

void Reach::settle(const SiteReach& wanted) {
  const SiteReach gone = without(configured_, wanted);
  configured_ = wanted;
  take(gone);
}

Reach::Change Reach::count(const SiteReach& reach) {
  Change change;
  for (const IpAddress& peer : reach.peers) ++peers_[peer];
  for (const IpPrefix& network : reach.networks.local) append(change.local, local_.add(network));
  for (const IpPrefix& network : reach.networks.remote) append(change.remote, remote_.add(network));
  return change;
}

Reach::Change Reach::discount(const SiteReach& reach) {
  Change change;
  for (const IpAddress& peer : reach.peers) discount(peer, change.gone);
  for (const IpPrefix& network : reach.networks.local) append(change.local, local_.remove(network));
  for (const IpPrefix& network : reach.networks.remote)
    append(change.remote, remote_.remove(network));
  return change;
}

// With a peer that nobody names any more goes what is known of where its SAs have moved.
void Reach::discount(const IpAddress& peer, std::set<IpAddress>& gone) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || --found->second > 0) return;
  peers_.erase(found);
  gone.insert(peer);
  for (auto moved = moved_.lower_bound({.address = peer});
       moved != moved_.end() && moved->first.address == peer;
       moved = moved_.lower_bound({.address = peer}))
    discount(moved_.extract(moved).mapped(), gone);
}

// Closed before it is reached.
Result<void> Reach::bring(const SiteReach& reach) {
  const Change change = count(reach);
  auto done = protect(change);
  if (done) done = route_around(reach.peers);
  if (done) done = route(reach.networks.remote);
  if (done) {
    unroute(change.remote.removed);
  } else {
    const Change back = discount(reach);
    unroute(reach.networks.remote);
    unroute_hosts(back.gone);
    static_cast<void>(protect(back));
  }
  return done;
}

// A network that another one held is reached by a route of its own again. Closed for longer than
// it is reached.
void Reach::take(const SiteReach& reach) {
  const Change change = discount(reach);
  static_cast<void>(route(change.remote.added));
  unroute(change.remote.removed);
  unroute(reach.networks.remote);
  unroute_hosts(change.gone);
  static_cast<void>(protect(change));
}

// ---- routes -------------------------------------------------------------------------------------

// What this machine says to a peer itself comes from the address at which the peer expects it, if
// that is protected, and not from one of the TUN device.
Route Reach::route_to(const IpPrefix& network) const {
  const auto peer = peers_.lower_bound(network.address);
  const bool holds_peer = peer != peers_.end() && network.contains(peer->first);
  const bool from_outer = holds_peer && is_host(network) && !is_any(outer_) &&
                          covering(local_.outermost(), host(outer_)) != nullptr;
  return {.network = network,
          .apart = holds_peer || network.length == 0,
          .source = from_outer ? std::optional(outer_) : std::nullopt};
}

// The route to a peer itself stands beside that to a network around it: where the peer is on the
// link, the machine's own route to there would come first.
bool Reach::is_routed(const IpPrefix& network) const {
  return configured_.networks.remote.contains(network) || remote_.outermost().contains(network) ||
         (is_host(network) && peers_.contains(network.address) && remote_.holds(network));
}

Result<void> Reach::route(const auto& networks) {
  for (const IpPrefix& network : networks)
    if (is_routed(network))
      if (auto added = interface_.add_route(route_to(network)); !added) return added;
  return {};
}

// Routes that hold one of these peers; there are no more than lengths of a prefix. Once apart they
// stay so when the peer goes: a worker may still be sending to it.
Result<void> Reach::route_around(const std::set<IpAddress>& peers) {
  for (const IpAddress& peer : peers)
    for (IpPrefix network = host(peer);; network = wider(network)) {
      if (is_routed(network))
        if (auto moved = interface_.add_route(route_to(network)); !moved) return moved;
      if (network.length == 0) break;
    }
  return {};
}

void Reach::unroute(const auto& networks) {
  for (const IpPrefix& network : networks)
    if (!is_routed(network)) interface_.delete_route(network);
}

void Reach::unroute_hosts(const std::set<IpAddress>& peers) {
  for (const IpAddress& peer : peers) unroute(std::set{host(peer)});
}

Result<void> Reach::protect(const Change& change) {
  if (rules_ == nullptr || (change.local.empty() && change.remote.empty())) return {};
  return rules_->follow({change.local, change.remote});
}

}  // namespace espalier
