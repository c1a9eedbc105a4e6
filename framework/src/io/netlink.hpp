// SPDX-License-Identifier: Apache-2.0
//
// Route netlink through libnl-3: what InterfaceSetup needs, as functions that speak in sentences.
// libnl-route knows neither inverted rules nor suppressed prefixes, so that rules are put together
// here.
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct nl_sock;

namespace espalier::io {

struct NlSocketDeleter {
  void operator()(nl_sock* socket) const noexcept;
};

struct LinkState {
  int index = 0;
  std::uint32_t mtu = 0;
  bool up = false;
};

struct RouteEntry {
  IpPrefix network;
  std::uint32_t table = 0;            // 0: the main one
  std::optional<IpAddress> source{};  // of packets that have none yet
};

// One of the rules that say in which table packets look for their route ('ip rule').
struct RoutingRule {
  Family family = Family::ipv4;
  std::uint32_t priority = 0;            // the lowest is asked first
  std::uint32_t table = 0;               // 0: the main one
  IpPrefix to{};                         // length 0: everywhere
  std::uint32_t unless_mark = 0;         // 0: for all packets
  std::uint16_t from_port = 0;           // UDP that this machine sends from there; 0: for all
  std::optional<std::uint8_t> longer{};  // only routes to prefixes that are longer than this

  friend bool operator==(const RoutingRule&, const RoutingRule&) = default;
};

// The last error that the kernel gave to a request, and its own words for it, or "".
struct KernelAnswer {
  int error = 0;  // errno
  std::string words;
};

// A connection to the kernel's routing tables. [control]
class RouteNetlink {
 public:
  static Result<RouteNetlink> connect();

  std::uint32_t port() const noexcept;  // by which the kernel knows its requests

  Result<LinkState> link(const std::string& name);
  Result<void> set_link(const std::string& name, const LinkState& state);
  // So that the kernel does not send router solicitations from an address of its own making into a
  // tunnel. Not an error where there is no IPv6.
  void no_automatic_ipv6(const LinkState& link);

  Result<void> add_address(const std::string& name, int index, const IpPrefix& address);
  Result<void> delete_address(int index, const IpPrefix& address);
  Result<void> add_route(const std::string& name, int index, const RouteEntry& route);
  Result<void> delete_route(int index, const RouteEntry& route);

  // The name of the interface by which packets of this machine leave for an address.
  Result<std::string> interface_towards(const IpAddress& address);

  Result<void> add_rule(const RoutingRule& rule);
  Result<void> delete_rule(const RoutingRule& rule);
  // All that add_rule ever made with this priority, by whatever process.
  void delete_rules(Family family, std::uint32_t priority);

 private:
  std::unique_ptr<KernelAnswer> answer_;  // libnl writes it; it stays where it is
  std::unique_ptr<nl_sock, NlSocketDeleter> socket_;
};

}  // namespace espalier::io
