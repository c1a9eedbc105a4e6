// SPDX-License-Identifier: Apache-2.0
#include "io/interface_watch.hpp"

#include "io/os_error.hpp"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace espalier::io {
namespace {

constexpr std::uint32_t kOfOne =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

template <class Header>
const Header* header_of(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(Header))) return nullptr;
  return static_cast<const Header*>(NLMSG_DATA(&message));
}

int route_interface(const nlmsghdr& message) {
  const auto* route = header_of<rtmsg>(message);
  if (route == nullptr) return 0;
  auto left = static_cast<int>(RTM_PAYLOAD(&message));
  for (const rtattr* one = RTM_RTA(route); RTA_OK(one, left); one = RTA_NEXT(one, left))
    if (one->rta_type == RTA_OIF && RTA_PAYLOAD(one) >= sizeof(int)) {
      int index = 0;
      std::memcpy(&index, RTA_DATA(one), sizeof index);
      return index;
    }
  return 0;
}

// The interface that a message is news of; 0 if it is none that matters here.
int interface_of(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK: {
      const auto* link = header_of<ifinfomsg>(message);
      return link == nullptr ? 0 : link->ifi_index;
    }
    case RTM_DELADDR: {
      const auto* address = header_of<ifaddrmsg>(message);
      return address == nullptr ? 0 : static_cast<int>(address->ifa_index);
    }
    case RTM_DELROUTE:
      return route_interface(message);
    default:
      return 0;
  }
}

}  // namespace

Result<InterfaceWatch> InterfaceWatch::open(int index) { return open(index, kOfOne); }
Result<InterfaceWatch> InterfaceWatch::open_all() { return open(0, RTMGRP_LINK); }

Result<InterfaceWatch> InterfaceWatch::open(int index, std::uint32_t groups) {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!socket ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(ErrorCode::io,
                fmt::format("Cannot hear from the kernel by netlink: {}.", words_of(errno)));
  return InterfaceWatch(std::move(socket), index);
}

bool InterfaceWatch::matters(int interface) const noexcept {
  return index_ == 0 ? interface != 0 : interface == index_;
}

bool InterfaceWatch::changed(std::uint32_t own_port) {
  bool changed = false;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {  // more was said than there was room for
      changed = true;
      continue;
    }
    if (got <= 0) return changed;
    auto left = static_cast<std::uint32_t>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
      changed |= message->nlmsg_pid != own_port && matters(interface_of(*message));
  }
}

}  // namespace espalier::io
