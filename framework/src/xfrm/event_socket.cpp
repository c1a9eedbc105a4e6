// SPDX-License-Identifier: Apache-2.0
#include "xfrm/event_socket.hpp"

#include <linux/netlink.h>
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
namespace {

constexpr int kQueue = 8 * 1024 * 1024;  // some 10,000 SAs that come at once

}  // namespace

void EventSocket::Free::operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }

int EventSocket::descriptor() const noexcept { return nl_socket_get_fd(socket_.get()); }

Result<EventSocket> EventSocket::open(Of what) {
  EventSocket made(nl_socket_alloc());
  if (made.socket_ == nullptr) return fail(ErrorCode::io, "No memory for a netlink socket.");
  int error = nl_connect(made.socket_.get(), NETLINK_XFRM);
  if (error >= 0) error = nl_socket_add_membership(made.socket_.get(), XFRMNLGRP_EXPIRE);
  if (error >= 0 && what == Of::sas)
    error = nl_socket_add_membership(made.socket_.get(), XFRMNLGRP_SA);
  if (error < 0)
    return fail(
        ErrorCode::unsupported,
        fmt::format("The kernel does not tell what becomes of SAs: {}.", nl_geterror(-error)));
  if (what == Of::sas) {
    // Needs CAP_NET_ADMIN, as does all that is done with it; without, more gets lost, and is told.
    const int size = kQueue;
    ::setsockopt(made.descriptor(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  }
  return made;
}

Heard EventSocket::hear() {
  Heard heard;
  alignas(nlmsghdr) std::array<std::uint8_t, 16384> buffer;
  while (true) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const auto got = ::recvfrom(descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&sender), &size);
    if (got < 0 && errno == ENOBUFS) heard.lost = true;
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (got <= 0) break;
    if (sender.nl_pid != 0) continue;  // another process
    int left = static_cast<int>(got);
    for (auto* head = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(head, left) != 0;
         head = nlmsg_next(head, &left)) {
      const auto* const data = reinterpret_cast<const std::uint8_t*>(head) + NLMSG_HDRLEN;
      const std::span payload(data, head->nlmsg_len - NLMSG_HDRLEN);
      heard.messages.push_back({head->nlmsg_type, head->nlmsg_pid, SecretBuffer(payload)});
    }
  }
  wipe(buffer.data(), buffer.size());
  return heard;
}

std::vector<SaNews> EventSocket::take() {
  std::vector<SaNews> all;
  for (const Message& message : hear().messages)
    if (auto news = read_sa(message)) all.push_back(std::move(*news));
  return all;
}

}  // namespace espalier::xfrm
