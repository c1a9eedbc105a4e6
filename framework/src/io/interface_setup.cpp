// SPDX-License-Identifier: Apache-2.0
#include <espalier/interface_setup.hpp>

#include "io/netlink.hpp"

#include <functional>
#include <set>
#include <utility>

namespace espalier {

using io::LinkState;
using io::RouteNetlink;

struct InterfaceSetup::Impl {
  std::string name;
  RouteNetlink netlink;
  int index = 0;
  std::vector<std::function<void()>> undo;
  std::set<IpPrefix> routes;

  Impl(std::string interface, RouteNetlink connection)
      : name(std::move(interface)), netlink(std::move(connection)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  // What was taken away meanwhile, by a person or with the interface, is not missed.
  ~Impl() {
    for (const IpPrefix& route : routes) (void)netlink.delete_route(index, route);
    for (; !undo.empty(); undo.pop_back()) undo.back()();
  }

  Result<void> set_up(const InterfacePlan& plan);
  Result<void> add_route(const IpPrefix& network);
};

InterfaceSetup::InterfaceSetup(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InterfaceSetup::~InterfaceSetup() = default;
InterfaceSetup::InterfaceSetup(InterfaceSetup&& other) noexcept = default;
InterfaceSetup& InterfaceSetup::operator=(InterfaceSetup&& other) noexcept = default;

Result<InterfaceSetup> InterfaceSetup::apply(const InterfacePlan& plan) {
  auto connected = RouteNetlink::connect();
  if (!connected) return std::unexpected(connected.error());
  auto impl = std::make_unique<Impl>(plan.name, std::move(*connected));
  if (auto set_up = impl->set_up(plan); !set_up) return std::unexpected(set_up.error());
  return InterfaceSetup(std::move(impl));
}

Result<void> InterfaceSetup::add_route(const IpPrefix& network) {
  return impl_->add_route(network);
}

void InterfaceSetup::delete_route(const IpPrefix& network) {
  if (impl_->routes.erase(network) != 0) (void)impl_->netlink.delete_route(impl_->index, network);
}

Result<void> InterfaceSetup::Impl::set_up(const InterfacePlan& plan) {
  const auto before = netlink.link(name);
  if (!before) return std::unexpected(before.error());
  index = before->index;
  netlink.no_automatic_ipv6(*before);
  if (auto set = netlink.set_link(name, {index, plan.mtu, before->up}); !set) return set;
  undo.push_back([this, old = *before] { (void)netlink.set_link(name, old); });
  for (const IpPrefix& address : plan.addresses) {
    if (auto added = netlink.add_address(name, index, address); !added) return added;
    undo.push_back([this, address] { (void)netlink.delete_address(index, address); });
  }
  if (auto up = netlink.set_link(name, {index, plan.mtu, true}); !up) return up;
  for (const IpPrefix& route : plan.routes)
    if (auto added = add_route(route); !added) return added;
  return {};
}

Result<void> InterfaceSetup::Impl::add_route(const IpPrefix& network) {
  if (routes.contains(network)) return {};
  auto added = netlink.add_route(name, index, network);
  if (added) routes.insert(network);
  return added;
}

}  // namespace espalier
