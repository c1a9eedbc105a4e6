// SPDX-License-Identifier: Apache-2.0
//
// Route netlink through libnl-3: what InterfaceSetup needs, as functions that speak in sentences.
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

#include <cstdint>
#include <memory>
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

// A connection to the kernel's routing tables. [control]
class RouteNetlink {
 public:
  static Result<RouteNetlink> connect();

  Result<LinkState> link(const std::string& name);
  Result<void> set_link(const std::string& name, const LinkState& state);
  // So that the kernel does not send router solicitations from an address of its own making into a
  // tunnel. Not an error where there is no IPv6.
  void no_automatic_ipv6(const LinkState& link);

  Result<void> add_address(const std::string& name, int index, const IpPrefix& address);
  Result<void> delete_address(int index, const IpPrefix& address);
  Result<void> add_route(const std::string& name, int index, const IpPrefix& network);
  Result<void> delete_route(int index, const IpPrefix& network);

 private:
  std::unique_ptr<nl_sock, NlSocketDeleter> socket_;
};

}  // namespace espalier::io
