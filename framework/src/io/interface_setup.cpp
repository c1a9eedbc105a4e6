// SPDX-License-Identifier: Apache-2.0
#include <espalier/interface_setup.hpp>

#include "io/descriptor.hpp"
#include "io/detour.hpp"
#include "io/interface_watch.hpp"
#include "io/netlink.hpp"
#include "io/os_error.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace espalier {

using io::Descriptor;
using io::LinkState;
using io::RouteEntry;
using io::RouteNetlink;
using io::RoutingRule;

struct InterfaceSetup::Impl {
  std::string name;
  RouteNetlink netlink;
  int index = 0;
  std::vector<std::function<void()>> undo;
  std::vector<IpPrefix> addresses;
  std::map<IpPrefix, Route> routes;
  std::optional<io::InterfaceWatch> watch;
  bool is_up = true;
  bool touched = false;  // by somebody else, and not yet looked at
  io::Detour detour;
  std::vector<Descriptor> outer_sockets;
  std::function<void(Family)> on_apart;
  std::map<Family, std::size_t> apart;  // how many routes

  Impl(std::string interface, RouteNetlink connection)
      : name(std::move(interface)), netlink(std::move(connection)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  // What was taken away meanwhile, by a person or with the interface, is not missed.
  ~Impl() {
    while (!routes.empty()) drop(routes.begin()->first);
    for (; !undo.empty(); undo.pop_back()) undo.back()();
  }

  Result<void> set_up(const InterfacePlan& plan);
  Result<void> prepare_detour(const InterfacePlan& plan);
  Result<void> add_route(const Route& route);
  Result<void> make(const Route& route);
  void drop(const IpPrefix& network);
  void retract(const Route& route);  // from the kernel
  RouteEntry entry(const Route& route) const;
  Result<void> stand_apart(const IpPrefix& network);
  void no_longer_apart(const IpPrefix& network);
  Result<void> mark_sockets(std::uint32_t mark);
  Result<InterfaceChange> restore();
};

InterfaceSetup::InterfaceSetup(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InterfaceSetup::~InterfaceSetup() = default;
InterfaceSetup::InterfaceSetup(InterfaceSetup&& other) noexcept = default;
InterfaceSetup& InterfaceSetup::operator=(InterfaceSetup&& other) noexcept = default;

Result<InterfaceSetup> InterfaceSetup::apply(const InterfacePlan& plan) {
  auto connected = RouteNetlink::connect();
  if (!connected) return std::unexpected(connected.error());
  auto impl = std::make_unique<Impl>(plan.name, std::move(*connected));
  if (auto done = impl->set_up(plan); !done) return std::unexpected(done.error());
  return InterfaceSetup(std::move(impl));
}

Result<void> InterfaceSetup::add_route(const Route& route) { return impl_->add_route(route); }
void InterfaceSetup::delete_route(const IpPrefix& network) { impl_->drop(network); }
Result<InterfaceChange> InterfaceSetup::restore() { return impl_->restore(); }

Result<void> InterfaceSetup::Impl::set_up(const InterfacePlan& plan) {
  const auto before = netlink.link(name);
  if (!before) return std::unexpected(before.error());
  index = before->index;
  netlink.no_automatic_ipv6(*before);
  if (auto set = netlink.set_link(name, {index, plan.mtu, before->up}); !set) return set;
  undo.push_back([this, old = *before] { (void)netlink.set_link(name, old); });
  addresses = plan.addresses;
  for (const IpPrefix& address : addresses) {
    if (auto added = netlink.add_address(name, index, address); !added) return added;
    undo.push_back([this, address] { (void)netlink.delete_address(index, address); });
  }
  if (auto up = netlink.set_link(name, {index, plan.mtu, true}); !up) return up;
  if (auto prepared = prepare_detour(plan); !prepared) return prepared;
  for (const IpPrefix& network : plan.routes)
    if (auto added = add_route({network}); !added) return added;
  auto watching = io::InterfaceWatch::open(index);  // from here on changes are somebody else's
  if (!watching) return std::unexpected(watching.error());
  watch.emplace(std::move(*watching));
  return {};
}

// The routes of a dead gateway went with its interface; its rules stay until here.
Result<void> InterfaceSetup::Impl::prepare_detour(const InterfacePlan& plan) {
  detour = io::detour_of(plan.site);
  on_apart = plan.on_apart;
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (std::uint32_t i = 0; i < io::kDetourRules; ++i)
      netlink.delete_rules(family, detour.priority + i);
  for (const int socket : plan.outer_sockets) {
    outer_sockets.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    if (!outer_sockets.back())
      return fail(ErrorCode::io,
                  fmt::format("Cannot keep an outer socket open: {}.", io::words_of(errno)));
  }
  return {};
}

// An error is told once: it is tried again when something happens again.
Result<InterfaceChange> InterfaceSetup::Impl::restore() {
  touched |= watch->changed(netlink.port());
  if (!touched) return InterfaceChange{};
  const auto link = netlink.link(name);
  if (!link) return InterfaceChange{};  // it is gone, which its TUN port tells
  if (!link->up) return InterfaceChange{.down = std::exchange(is_up, false)};
  is_up = true;
  touched = false;
  InterfaceChange change;
  const auto back = [](const Result<void>& added, std::size_t& count) {
    count += added ? 1 : 0;
    return added || added.error().code == ErrorCode::conflict;  // it is there
  };
  for (const IpPrefix& address : addresses)
    if (auto added = netlink.add_address(name, index, address); !back(added, change.addresses))
      return std::unexpected(added.error());
  for (const auto& [network, route] : routes)
    if (auto added = netlink.add_route(name, index, entry(route)); !back(added, change.routes))
      return std::unexpected(added.error());
  return change;
}

// ---- routes -------------------------------------------------------------------------------------

Result<void> InterfaceSetup::Impl::add_route(const Route& route) {
  const auto found = routes.find(route.network);
  if (found == routes.end()) return make(route);
  const Route before = found->second;
  if (before == route) return {};
  // In another table it can stand beside the one before: there is no moment without a route.
  const bool beside = before.apart != route.apart;
  routes.erase(found);
  if (!beside) retract(before);
  auto made = make(route);
  if (made && beside) retract(before);
  if (!made && beside) routes.emplace(before.network, before);
  if (!made && !beside) (void)make(before);
  return made;
}

Result<void> InterfaceSetup::Impl::make(const Route& route) {
  if (route.apart)
    if (auto ready = stand_apart(route.network); !ready) return ready;
  auto added = netlink.add_route(name, index, entry(route));
  if (added)
    routes.emplace(route.network, route);
  else if (route.apart)
    no_longer_apart(route.network);
  return added;
}

void InterfaceSetup::Impl::drop(const IpPrefix& network) {
  if (const auto gone = routes.extract(network); !gone.empty()) retract(gone.mapped());
}

void InterfaceSetup::Impl::retract(const Route& route) {
  (void)netlink.delete_route(index, entry(route));
  if (route.apart) no_longer_apart(route.network);
}

RouteEntry InterfaceSetup::Impl::entry(const Route& route) const {
  return {.network = route.network,
          .table = route.apart ? io::table_for(detour, route.network) : 0,
          .source = route.source};
}

// ---- routes that stand apart --------------------------------------------------------------------

// Marked before the first packet could be led astray.
Result<void> InterfaceSetup::Impl::stand_apart(const IpPrefix& network) {
  const Family family = network.address.family;
  auto rules = io::rules_for(detour, network);
  if (apart[family]++ == 0) {
    if (on_apart) on_apart(family);
    const auto standing = io::standing_rules(detour, family);
    rules.insert(rules.end(), standing.begin(), standing.end());
  }
  auto done = mark_sockets(detour.mark);
  for (const RoutingRule& rule : rules)
    if (done) done = netlink.add_rule(rule);
  if (!done) no_longer_apart(network);
  return done;
}

void InterfaceSetup::Impl::no_longer_apart(const IpPrefix& network) {
  const Family family = network.address.family;
  for (const RoutingRule& rule : io::rules_for(detour, network)) (void)netlink.delete_rule(rule);
  if (--apart[family] > 0) return;
  for (const RoutingRule& rule : io::standing_rules(detour, family))
    (void)netlink.delete_rule(rule);
  if (apart[Family::ipv4] == 0 && apart[Family::ipv6] == 0) (void)mark_sockets(0);
}

Result<void> InterfaceSetup::Impl::mark_sockets(std::uint32_t mark) {
  for (const Descriptor& socket : outer_sockets)
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
      return fail(errno == EPERM ? ErrorCode::permission : ErrorCode::io,
                  fmt::format("Cannot mark the packets of the tunnels (SO_MARK), so that they are "
                              "not routed into the tunnel: {}. It needs root or CAP_NET_ADMIN.",
                              io::words_of(errno)));
  return {};
}

}  // namespace espalier
