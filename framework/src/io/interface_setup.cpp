// SPDX-License-Identifier: Apache-2.0
#include <espalier/interface_setup.hpp>

#include "io/netlink.hpp"

#include <memory>
#include <utility>

namespace espalier {

using io::LinkState;
using io::RouteNetlink;

InterfaceSetup::~InterfaceSetup() { undo(); }
InterfaceSetup::InterfaceSetup(InterfaceSetup&& other) noexcept
    : undo_(std::exchange(other.undo_, {})) {}
InterfaceSetup& InterfaceSetup::operator=(InterfaceSetup&& other) noexcept {
  undo_.swap(other.undo_);
  return *this;
}

// What was taken away meanwhile, by a person or with the interface, is not missed.
void InterfaceSetup::undo() noexcept {
  while (!undo_.empty()) {
    undo_.back()();
    undo_.pop_back();
  }
}

// The steps keep the connection alive for their undoing.
Result<InterfaceSetup> InterfaceSetup::apply(const InterfacePlan& plan) {
  auto connected = RouteNetlink::connect();
  if (!connected) return std::unexpected(connected.error());
  const auto netlink = std::make_shared<RouteNetlink>(std::move(*connected));
  const auto before = netlink->link(plan.name);
  if (!before) return std::unexpected(before.error());

  InterfaceSetup setup;
  netlink->no_automatic_ipv6(*before);
  if (auto set = netlink->set_link(plan.name, {before->index, plan.mtu, before->up}); !set)
    return std::unexpected(set.error());
  setup.undo_.push_back(
      [netlink, plan, old = *before] { (void)netlink->set_link(plan.name, old); });
  for (const IpPrefix& address : plan.addresses) {
    if (auto added = netlink->add_address(plan.name, before->index, address); !added)
      return std::unexpected(added.error());
    setup.undo_.push_back([netlink, address, index = before->index] {
      (void)netlink->delete_address(index, address);
    });
  }
  if (auto up = netlink->set_link(plan.name, {before->index, plan.mtu, true}); !up)
    return std::unexpected(up.error());
  for (const IpPrefix& route : plan.routes) {
    if (auto added = netlink->add_route(plan.name, before->index, route); !added)
      return std::unexpected(added.error());
    setup.undo_.push_back(
        [netlink, route, index = before->index] { (void)netlink->delete_route(index, route); });
  }
  return setup;
}

}  // namespace espalier
