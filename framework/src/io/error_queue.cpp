// SPDX-License-Identifier: Apache-2.0
#include "io/error_queue.hpp"

#include "io/socket_address.hpp"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace espalier::io {

namespace {

constexpr int kMostAtOnce = 64;

bool is_error(const cmsghdr& control) noexcept {
  return (control.cmsg_level == IPPROTO_IP && control.cmsg_type == IP_RECVERR) ||
         (control.cmsg_level == IPPROTO_IPV6 && control.cmsg_type == IPV6_RECVERR);
}

// The MTU that a message of the queue tells of, or 0.
std::uint32_t mtu_of(msghdr& message) noexcept {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (!is_error(*c)) continue;
    sock_extended_err error{};
    std::memcpy(&error, CMSG_DATA(c), sizeof error);
    if (error.ee_errno == EMSGSIZE) return error.ee_info;
  }
  return 0;
}

}  // namespace

bool ErrorQueue::enable(int socket, Family family) noexcept {
  const int on = 1;
  const bool v4 = family == Family::ipv4;
  return ::setsockopt(socket, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
                      sizeof on) == 0;
}

void ErrorQueue::drain(int socket) noexcept {
  for (int i = 0; i < kMostAtOnce; ++i) {
    alignas(cmsghdr) std::array<std::byte, 512> control;
    sockaddr_storage name{};
    std::uint8_t payload = 0;
    iovec part{&payload, sizeof payload};
    msghdr message{};
    message.msg_name = &name;  // where the packet was for
    message.msg_namelen = sizeof name;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    const std::uint32_t mtu = mtu_of(message);
    const bool known = name.ss_family == AF_INET || name.ss_family == AF_INET6;
    if (mtu == 0 || !known || count_ == kKept) continue;
    found_[count_++] = {from_sockaddr(name).address, mtu};
  }
}

std::optional<PathMtu> ErrorQueue::take() noexcept {
  if (count_ == 0) return std::nullopt;
  return found_[--count_];
}

}  // namespace espalier::io
