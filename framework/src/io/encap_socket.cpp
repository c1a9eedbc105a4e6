// SPDX-License-Identifier: Apache-2.0
#include "io/encap_socket.hpp"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "io/os_error.hpp"
#include "io/socket_address.hpp"

namespace espalier::io {

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
    return refused("the address and port");
  if (::setsockopt(socket.get(), IPPROTO_UDP, UDP_ENCAP, &type, sizeof type) < 0)
    return refused("UDP_ENCAP");
  // Nobody reads what is no ESP: it shall take no memory.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  return socket;
}

}  // namespace espalier::io
