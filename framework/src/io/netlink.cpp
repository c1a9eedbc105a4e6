// SPDX-License-Identifier: Apache-2.0
#include "io/netlink.hpp"

#include <espalier/sa.hpp>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <sys/socket.h>

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <string_view>

#include "io/os_error.hpp"

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

int family_of(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }
int family_of(const IpAddress& address) { return family_of(address.family); }

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

std::uint32_t number_of(std::uint32_t table) { return table == 0 ? RT_TABLE_MAIN : table; }

Route route_object(int index, const RouteEntry& entry) {
  const IpPrefix& network = entry.network;
  Route route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(network.address)));
  rtnl_route_set_table(route.get(), number_of(entry.table));
  rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
  rtnl_route_set_type(route.get(), RTN_UNICAST);
  rtnl_route_set_scope(route.get(),
                       network.address.family == Family::ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  rtnl_route_set_dst(route.get(), nl_address(network).get());
  if (entry.source) {
    const auto whole = static_cast<std::uint8_t>(entry.source->size() * 8);
    rtnl_route_set_pref_src(route.get(), nl_address({*entry.source, whole}).get());
  }
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, index);
  rtnl_route_add_nexthop(route.get(), hop);  // takes it over
  return route;
}

constexpr std::uint8_t kOwnRules = 69;  // their "protocol": nobody else's in rt_protos

void put_rule(nl_msg* message, const RoutingRule& rule) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(family_of(rule.family));
  header.dst_len = rule.to.length;
  header.action = FR_ACT_TO_TBL;
  if (rule.unless_mark != 0) header.flags = FIB_RULE_INVERT;
  nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
  nla_put_u32(message, FRA_PRIORITY, rule.priority);
  nla_put_u32(message, FRA_TABLE, number_of(rule.table));
  nla_put_u8(message, FRA_PROTOCOL, kOwnRules);
  if (rule.to.length != 0)
    nla_put(message, FRA_DST, static_cast<int>(rule.to.address.size()),
            rule.to.address.bytes.data());
  if (rule.longer) nla_put_u32(message, FRA_SUPPRESS_PREFIXLEN, *rule.longer);
  if (rule.unless_mark != 0) {
    nla_put_u32(message, FRA_FWMARK, rule.unless_mark);
    nla_put_u32(message, FRA_FWMASK, ~0u);
  }
  if (rule.from_port != 0) {
    const fib_rule_port_range port{rule.from_port, rule.from_port};
    nla_put_string(message, FRA_IIFNAME, "lo");  // where what this machine sends comes from
    nla_put_u8(message, FRA_IP_PROTO, IPPROTO_UDP);
    nla_put(message, FRA_SPORT_RANGE, sizeof port, &port);
  }
}

std::string words_of(const RoutingRule& rule) {
  return fmt::format("the routing rule {} of {}", rule.priority, to_string(rule.family));
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

// The kernel's error before libnl has made one of its own of it, which for many is 'unspecific
// failure'; and its extended words, where it has any.
int keep_answer(sockaddr_nl*, nlmsgerr* error, void* kept) {
  auto& answer = *static_cast<KernelAnswer*>(kept);
  answer = {-error->error, ""};
  auto* const message =
      reinterpret_cast<nlmsghdr*>(reinterpret_cast<std::uint8_t*>(error) - NLMSG_HDRLEN);
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0)
    if (const nlattr* words = nlmsg_find_attr(message, sizeof *error, NLMSGERR_ATTR_MSG))
      answer.words = std::string_view(static_cast<const char*>(nla_data(words)),
                                      strnlen(static_cast<const char*>(nla_data(words)),
                                              static_cast<std::size_t>(nla_len(words))));
  return -nl_syserr2nlerr(answer.error);
}

std::string words_for(int error, const KernelAnswer& answer) {
  if (nl_syserr2nlerr(answer.error) != -error) return nl_geterror(-error);  // libnl's own
  const std::string words = io::words_of(answer.error);
  return answer.words.empty() ? words : fmt::format("{} ({})", words, answer.words);
}

// Of a request with libnl's `error`, which was the last one that the kernel answered.
Result<void> outcome(int error, const KernelAnswer& answer, const std::string& what,
                     const std::string& when_there) {
  if (error >= 0) return {};
  const ErrorCode code = code_of(error);
  if (code == ErrorCode::permission)
    return fail(code, fmt::format("No permission to {}. Run as root or with CAP_NET_ADMIN.", what));
  if (code == ErrorCode::conflict && !when_there.empty())
    return fail(code, fmt::format("Cannot {}: {}", what, when_there));
  return fail(code, fmt::format("Cannot {}: {}.", what, words_for(error, answer)));
}

bool is_set(const std::string& file) {
  int value = 0;
  return (std::ifstream(file) >> value) && value != 0;
}

// The same for what an interface is given. The kernel calls it a matter of permission where IPv6 is
// switched off, which no privilege helps against.
Result<void> outcome_on(const std::string& name, const IpPrefix& given, int error,
                        const KernelAnswer& answer, const std::string& what,
                        const std::string& when_there) {
  const auto setting = [](const std::string& of) {
    return fmt::format("net/ipv6/conf/{}/disable_ipv6", of);
  };
  const bool turned_down = error == -NLE_NOACCESS;
  if (given.address.family != Family::ipv6 || !turned_down || !is_set("/proc/sys/" + setting(name)))
    return outcome(error, answer, what, when_there);
  // A TUN device that is made anew has what is the default.
  const std::string off_by = setting(is_set("/proc/sys/" + setting("default")) ? "default" : name);
  return fail(ErrorCode::unsupported,
              fmt::format("Cannot {}: IPv6 is switched off there. Switch it on with 'sysctl -w "
                          "{}=0', or take the IPv6 addresses and networks out of the "
                          "configuration.",
                          what, off_by));
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
  made.answer_ = std::make_unique<KernelAnswer>();
  nl_cb* const callbacks = nl_socket_get_cb(made.socket_.get());
  nl_cb_err(callbacks, NL_CB_CUSTOM, keep_answer, made.answer_.get());
  nl_cb_put(callbacks);
  const int on = 1;
  const int descriptor = nl_socket_get_fd(made.socket_.get());
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return made;
}

std::uint32_t RouteNetlink::port() const noexcept {
  return nl_socket_get_local_port(socket_.get());
}

Result<LinkState> RouteNetlink::link(const std::string& name) {
  rtnl_link* found = nullptr;
  const int error = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found);
  if (error < 0)
    return fail(code_of(error), fmt::format("There is no network interface '{}' ({}). 'ip link' "
                                            "lists those of this machine.",
                                            name, words_for(error, *answer_)));
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
  return outcome(rtnl_link_change(socket_.get(), from.get(), to.get(), 0), *answer_,
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
  return outcome_on(
      name, address, rtnl_addr_add(socket_.get(), address_object(index, address).get(), NLM_F_EXCL),
      *answer_, fmt::format("give the interface '{}' the address {}", name, to_string(address)),
      "it has it already. Remove it with 'ip address delete', or give the site "
      "another.");
}

Result<void> RouteNetlink::delete_address(int index, const IpPrefix& address) {
  return outcome(rtnl_addr_delete(socket_.get(), address_object(index, address).get(), 0), *answer_,
                 "delete the address " + to_string(address), "");
}

Result<void> RouteNetlink::add_route(const std::string& name, int index, const RouteEntry& route) {
  const std::string network = to_string(route.network);
  return outcome_on(
      name, route.network,
      rtnl_route_add(socket_.get(), route_object(index, route).get(), NLM_F_EXCL), *answer_,
      fmt::format("route {} through the interface '{}'", network, name),
      fmt::format("another route to it exists. 'ip route show {}' shows it; delete it, or correct "
                  "the 'networks' of the sites.",
                  network));
}

Result<void> RouteNetlink::delete_route(int index, const RouteEntry& route) {
  return outcome(rtnl_route_delete(socket_.get(), route_object(index, route).get(), 0), *answer_,
                 "delete the route to " + to_string(route.network), "");
}

Result<std::string> RouteNetlink::interface_towards(const IpAddress& address) {
  rtnl_route* found = nullptr;
  const auto whole = static_cast<std::uint8_t>(address.size() * 8);
  const int error = rtnl_route_lookup(socket_.get(), nl_address({address, whole}).get(), &found);
  if (error < 0)
    return fail(code_of(error), fmt::format("There is no route to {}: {}.", to_string(address),
                                            words_for(error, *answer_)));
  const Route route(found);
  char name[IF_NAMESIZE] = "";
  rtnl_nexthop* const hop = rtnl_route_nexthop_n(found, 0);
  if (hop == nullptr ||
      ::if_indextoname(static_cast<unsigned>(rtnl_route_nh_get_ifindex(hop)), name) == nullptr)
    return fail(ErrorCode::not_found,
                fmt::format("The route to {} leads to no interface.", to_string(address)));
  return std::string(name);
}

Result<void> RouteNetlink::add_rule(const RoutingRule& rule) {
  nl_msg* message = nlmsg_alloc_simple(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  put_rule(message, rule);
  return outcome(nl_send_sync(socket_.get(), message), *answer_,  // which frees it
                 "make " + words_of(rule), "there is one like it. 'ip rule' shows it.");
}

Result<void> RouteNetlink::delete_rule(const RoutingRule& rule) {
  nl_msg* message = nlmsg_alloc_simple(RTM_DELRULE, 0);
  put_rule(message, rule);
  return outcome(nl_send_sync(socket_.get(), message), *answer_, "delete " + words_of(rule), "");
}

// The kernel deletes the first one that has all that is asked for.
void RouteNetlink::delete_rules(Family family, std::uint32_t priority) {
  int error = 0;
  while (error >= 0) {
    nl_msg* message = nlmsg_alloc_simple(RTM_DELRULE, 0);
    fib_rule_hdr header{};
    header.family = static_cast<std::uint8_t>(family_of(family));
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_u32(message, FRA_PRIORITY, priority);
    nla_put_u8(message, FRA_PROTOCOL, kOwnRules);
    error = nl_send_sync(socket_.get(), message);
  }
}

}  // namespace espalier::io
