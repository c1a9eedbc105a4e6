// SPDX-License-Identifier: Apache-2.0
#include "xfrm/event_socket.hpp"

#include <linux/xfrm.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <utility>

namespace espalier::xfrm {

void EventSocket::Free::operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }

Result<EventSocket> EventSocket::open() {
  EventSocket made(nl_socket_alloc());
  if (made.socket_ == nullptr) return fail(ErrorCode::io, "No memory for a netlink socket.");
  int error = nl_connect(made.socket_.get(), NETLINK_XFRM);
  if (error >= 0) error = nl_socket_add_membership(made.socket_.get(), XFRMNLGRP_EXPIRE);
  if (error < 0)
    return fail(ErrorCode::unsupported,
                fmt::format("The kernel does not tell when SAs expire: {}.", nl_geterror(-error)));
  return made;
}

std::vector<SaNews> EventSocket::take() {
  std::vector<SaNews> all;
  alignas(nlmsghdr) std::array<std::uint8_t, 16384> buffer;
  while (true) {
    const auto got =
        ::recv(nl_socket_get_fd(socket_.get()), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (got <= 0) break;
    int left = static_cast<int>(got);
    for (auto* head = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(head, left) != 0;
         head = nlmsg_next(head, &left)) {
      const auto* const data = reinterpret_cast<const std::uint8_t*>(head) + NLMSG_HDRLEN;
      const std::span payload(data, head->nlmsg_len - NLMSG_HDRLEN);
      if (auto news = read_sa({head->nlmsg_type, head->nlmsg_pid, SecretBuffer(payload)}))
        all.push_back(std::move(*news));
    }
  }
  wipe(buffer.data(), buffer.size());
  return all;
}

}  // namespace espalier::xfrm
