// SPDX-License-Identifier: Apache-2.0
#include "io/encap_socket.hpp"

#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "io/bind_error.hpp"
#include "io/os_error.hpp"
#include "io/socket_address.hpp"

namespace espalier::io {
namespace {

// What this socket takes is no traffic to be protected, even where that is between the same ends:
// the kernel would drop the ESP in it as packets in the clear.
bool bypass_policies(int socket, sa_family_t family) {
  const bool six = family == AF_INET6;
  for (const std::uint8_t way : {XFRM_POLICY_IN, XFRM_POLICY_OUT}) {
    xfrm_userpolicy_info policy{};
    policy.sel.family = family;
    policy.dir = way;
    policy.action = XFRM_POLICY_ALLOW;
    if (::setsockopt(socket, six ? IPPROTO_IPV6 : IPPROTO_IP,
                     six ? IPV6_XFRM_POLICY : IP_XFRM_POLICY, &policy, sizeof policy) < 0)
      return false;
  }
  return true;
}

}  // namespace

Result<Descriptor> open_encap_socket(const Endpoint& local) {
  sockaddr_storage address{};
  const socklen_t size = to_sockaddr(local, address);
  Descriptor socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int type = UDP_ENCAP_ESPINUDP, on = 1, least = 1;
  const auto refused = [&](const char* what) {
    return fail(errno == EPERM ? ErrorCode::permission : ErrorCode::io,
                fmt::format("The kernel cannot be given ESP in UDP at {}: {}: {}.",
                            to_string(local), what, words_of(errno)));
  };
  if (!socket) return refused("no socket");
  if (local.address.family == Family::ipv6 &&
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
    return refused("IPv6 alone");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0)
    return std::unexpected(bind_error(local, errno));
  if (::setsockopt(socket.get(), IPPROTO_UDP, UDP_ENCAP, &type, sizeof type) < 0)
    return refused("UDP_ENCAP");
  if (!bypass_policies(socket.get(), address.ss_family)) return refused("a policy of its own");
  // Nobody reads what is no ESP: it shall take no memory.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  return socket;
}

}  // namespace espalier::io
