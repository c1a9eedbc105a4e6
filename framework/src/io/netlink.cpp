// SPDX-License-Identifier: Apache-2.0
#include "io/netlink.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <fmt/format.h>

namespace espalier::io {
namespace {

template <auto Function>
struct Put {
  void operator()(auto* object) const noexcept { Function(object); }
};
using Link = std::unique_ptr<rtnl_link, Put<rtnl_link_put>>;
using Address = std::unique_ptr<rtnl_addr, Put<rtnl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, Put<rtnl_route_put>>;
using NlAddress = std::unique_ptr<nl_addr, Put<nl_addr_put>>;

int family_of(const IpAddress& address) {
  return address.family == Family::ipv4 ? AF_INET : AF_INET6;
}

NlAddress nl_address(const IpPrefix& prefix) {
  NlAddress address(
      nl_addr_build(family_of(prefix.address), prefix.address.bytes.data(), prefix.address.size()));
  nl_addr_set_prefixlen(address.get(), prefix.length);
  return address;
}

Address address_object(int index, const IpPrefix& prefix) {
  Address address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), index);
  rtnl_addr_set_family(address.get(), family_of(prefix.address));
  rtnl_addr_set_local(address.get(), nl_address(prefix).get());
  rtnl_addr_set_prefixlen(address.get(), prefix.length);
  if (prefix.address.family == Family::ipv6)  // usable at once
    rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
  return address;
}

Route route_object(int index, const IpPrefix& network) {
  Route route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(network.address)));
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
  rtnl_route_set_type(route.get(), RTN_UNICAST);
  rtnl_route_set_scope(route.get(),
                       network.address.family == Family::ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  rtnl_route_set_dst(route.get(), nl_address(network).get());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, index);
  rtnl_route_add_nexthop(route.get(), hop);  // takes it over
  return route;
}

ErrorCode code_of(int error) {
  switch (error) {
    case -NLE_PERM:
    case -NLE_NOACCESS:
      return ErrorCode::permission;
    case -NLE_EXIST:
      return ErrorCode::conflict;
    case -NLE_NODEV:
    case -NLE_OBJ_NOTFOUND:
      return ErrorCode::not_found;
    default:
      return ErrorCode::io;
  }
}

Result<void> outcome(int error, const std::string& what, const std::string& when_there) {
  if (error >= 0) return {};
  const ErrorCode code = code_of(error);
  if (code == ErrorCode::permission)
    return fail(code, fmt::format("No permission to {}. Run as root or with CAP_NET_ADMIN.", what));
  if (code == ErrorCode::conflict && !when_there.empty())
    return fail(code, fmt::format("Cannot {}: {}", what, when_there));
  return fail(code, fmt::format("Cannot {}: {}.", what, nl_geterror(-error)));
}

}  // namespace

void NlSocketDeleter::operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }

Result<RouteNetlink> RouteNetlink::connect() {
  RouteNetlink made;
  made.socket_.reset(nl_socket_alloc());
  if (made.socket_ == nullptr) return fail(ErrorCode::io, "No memory for a netlink socket.");
  if (const int error = nl_connect(made.socket_.get(), NETLINK_ROUTE); error < 0)
    return fail(ErrorCode::io,
                fmt::format("Cannot talk to the kernel by netlink: {}.", nl_geterror(-error)));
  return made;
}

Result<LinkState> RouteNetlink::link(const std::string& name) {
  rtnl_link* found = nullptr;
  const int error = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found);
  if (error < 0)
    return fail(code_of(error), fmt::format("There is no network interface '{}' ({}). 'ip link' "
                                            "lists those of this machine.",
                                            name, nl_geterror(-error)));
  const Link link(found);
  return LinkState{rtnl_link_get_ifindex(found), rtnl_link_get_mtu(found),
                   (rtnl_link_get_flags(found) & IFF_UP) != 0};
}

Result<void> RouteNetlink::set_link(const std::string& name, const LinkState& state) {
  const Link from(rtnl_link_alloc());
  const Link to(rtnl_link_alloc());
  rtnl_link_set_ifindex(from.get(), state.index);
  rtnl_link_set_mtu(to.get(), state.mtu);
  (state.up ? rtnl_link_set_flags : rtnl_link_unset_flags)(to.get(), IFF_UP);
  return outcome(rtnl_link_change(socket_.get(), from.get(), to.get(), 0),
                 fmt::format("set the interface '{}' {} with an MTU of {}", name,
                             state.up ? "up" : "down", state.mtu),
                 "");
}

void RouteNetlink::no_automatic_ipv6(const LinkState& state) {
  const Link from(rtnl_link_alloc());
  const Link to(rtnl_link_alloc());
  rtnl_link_set_ifindex(from.get(), state.index);
  rtnl_link_inet6_set_addr_gen_mode(to.get(), rtnl_link_inet6_str2addrgenmode("none"));
  (void)rtnl_link_change(socket_.get(), from.get(), to.get(), 0);
}

Result<void> RouteNetlink::add_address(const std::string& name, int index,
                                       const IpPrefix& address) {
  return outcome(rtnl_addr_add(socket_.get(), address_object(index, address).get(), NLM_F_EXCL),
                 fmt::format("give the interface '{}' the address {}", name, to_string(address)),
                 "it has it already. Remove it with 'ip address delete', or give the site "
                 "another.");
}

Result<void> RouteNetlink::delete_address(int index, const IpPrefix& address) {
  return outcome(rtnl_addr_delete(socket_.get(), address_object(index, address).get(), 0),
                 "delete the address " + to_string(address), "");
}

Result<void> RouteNetlink::add_route(const std::string& name, int index, const IpPrefix& network) {
  return outcome(
      rtnl_route_add(socket_.get(), route_object(index, network).get(), NLM_F_EXCL),
      fmt::format("route {} through the interface '{}'", to_string(network), name),
      fmt::format("another route to it exists. 'ip route show {}' shows it; delete it, or correct "
                  "the 'networks' of the sites.",
                  to_string(network)));
}

Result<void> RouteNetlink::delete_route(int index, const IpPrefix& network) {
  return outcome(rtnl_route_delete(socket_.get(), route_object(index, network).get(), 0),
                 "delete the route to " + to_string(network), "");
}

}  // namespace espalier::io
