// SPDX-License-Identifier: Apache-2.0
#include "io/datagram_socket.hpp"

#include <espalier/sa.hpp>

#include "io/compact.hpp"
#include "io/os_error.hpp"
#include "io/socket_address.hpp"

#include <netinet/in.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace espalier::io {
namespace {

constexpr int kReceiveRounds = 8;  // a flood of errors must not hold the worker

void count(std::atomic<std::uint64_t>& counter, std::uint64_t n = 1) noexcept {
  counter.fetch_add(n, std::memory_order_relaxed);
}

void grow_buffer(int fd, int forced, int plain, int bytes) noexcept {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);  // cut to the system's limit
}

}  // namespace

DatagramSocket::DatagramSocket(Descriptor socket, Endpoint local, bool with_ports,
                               std::shared_ptr<PortCounters> counters)
    : socket_(std::move(socket)),
      local_(local),
      with_ports_(with_ports),
      counters_(std::move(counters)),
      arrays_(std::make_unique<Arrays>()) {
  for (std::size_t i = 0; i < kBurst; ++i) {
    msghdr& header = arrays_->messages[i].msg_hdr;
    header.msg_name = &arrays_->names[i];
    header.msg_iov = &arrays_->parts[i];
    header.msg_iovlen = 1;
    header.msg_control = arrays_->controls[i].bytes.data();
  }
}

std::uint8_t DatagramSocket::tos_of(msghdr& message) const noexcept {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) return *CMSG_DATA(c);
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(c), sizeof value);
      return static_cast<std::uint8_t>(value);
    }
  }
  return 0;
}

int DatagramSocket::read_burst(std::span<Packet* const> packets, std::uint32_t offset) noexcept {
  for (std::size_t i = 0; i < packets.size(); ++i) {
    Packet& packet = *packets[i];
    arrays_->parts[i] = {packet.buffer + offset, packet.capacity - offset - kTailroom};
    msghdr& header = arrays_->messages[i].msg_hdr;
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_controllen = sizeof(Control::bytes);
    header.msg_flags = 0;
  }
  const auto n = static_cast<unsigned>(packets.size());
  for (int round = 0; round < kReceiveRounds; ++round) {
    const int got = ::recvmmsg(socket_.get(), arrays_->messages.data(), n, MSG_DONTWAIT, nullptr);
    if (got >= 0 || errno == EAGAIN) return got;
    if (errno != EINTR) count(counters_->receive_errors);
  }
  return 0;
}

std::size_t DatagramSocket::receive(std::span<Packet* const> packets,
                                    std::uint32_t offset) noexcept {
  packets = packets.first(std::min(packets.size(), kBurst));
  const int got = read_burst(packets, offset);
  if (got <= 0) return 0;
  std::size_t slot = 0;
  return compact(packets.first(static_cast<std::size_t>(got)), [&](Packet& packet) {
    mmsghdr& message = arrays_->messages[slot];
    packet.offset = offset;
    packet.length = message.msg_len;
    packet.wire.local = local_;
    packet.wire.peer = from_sockaddr(arrays_->names[slot++]);
    packet.wire.tos = tos_of(message.msg_hdr);
    packet.wire.dont_fragment = true;
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) == 0) return true;
    count(counters_->truncated);
    return false;
  });
}

void DatagramSocket::set_dont_fragment(bool on) noexcept {
  if (dont_fragment_ == int{on}) return;
  dont_fragment_ = int{on};
  const bool v4 = local_.address.family == Family::ipv4;
  const int value =
      v4 ? (on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT) : (on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
  (void)::setsockopt(socket_.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                     v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &value, sizeof value);
}

void DatagramSocket::prepare_send(std::size_t slot, const Packet& packet) noexcept {
  Endpoint peer = packet.wire.peer;
  if (!with_ports_) peer.port = 0;
  msghdr& header = arrays_->messages[slot].msg_hdr;
  arrays_->parts[slot] = {packet.data(), packet.length};
  header.msg_namelen = to_sockaddr(peer, arrays_->names[slot]);
  header.msg_controllen = sizeof(Control::bytes);
  header.msg_flags = 0;
  cmsghdr* control = CMSG_FIRSTHDR(&header);
  const bool v4 = local_.address.family == Family::ipv4;
  control->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  control->cmsg_type = v4 ? IP_TOS : IPV6_TCLASS;
  control->cmsg_len = CMSG_LEN(sizeof(int));
  const int tos = packet.wire.tos;
  std::memcpy(CMSG_DATA(control), &tos, sizeof tos);
}

// A packet that the system refuses is skipped; a full socket buffer drops the rest of the burst.
std::size_t DatagramSocket::send_prepared(std::size_t total) noexcept {
  std::size_t next = 0, sent = 0;
  while (next < total) {
    const int took = ::sendmmsg(socket_.get(), arrays_->messages.data() + next,
                                static_cast<unsigned>(total - next), MSG_DONTWAIT);
    if (took > 0) {
      next += static_cast<std::size_t>(took);
      sent += static_cast<std::size_t>(took);
      continue;
    }
    if (took < 0 && errno == EINTR) continue;
    if (took == 0 || errno == EAGAIN) {
      count(counters_->send_errors, total - next);
      break;
    }
    count(errno == EMSGSIZE ? counters_->too_big : counters_->send_errors);
    ++next;
  }
  return sent;
}

std::size_t DatagramSocket::send(std::span<Packet* const> packets) noexcept {
  std::size_t sent = 0;
  while (!packets.empty()) {
    const bool dont_fragment = packets.front()->wire.dont_fragment;
    std::size_t run = 0;  // packets with the same DF: it is set on the socket, not on the packet
    while (run < packets.size() && run < kBurst &&
           packets[run]->wire.dont_fragment == dont_fragment) {
      prepare_send(run, *packets[run]);
      ++run;
    }
    set_dont_fragment(dont_fragment);
    sent += send_prepared(run);
    packets = packets.subspan(run);
  }
  return sent;
}

Result<void> set_option(int fd, int level, int option, int value, const char* what) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return fail(ErrorCode::io,
              fmt::format("The system refused to set {} on a socket: {}. This kernel may be too "
                          "old; Espalier needs Linux 5.10.",
                          what, words_of(errno)));
}

Result<Descriptor> make_socket(Family family, int type, int protocol, std::uint32_t buffer_bytes) {
  const bool v4 = family == Family::ipv4;
  Descriptor fd(::socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!fd) {
    const int error = errno;
    return fail(
        error == EPERM || error == EACCES ? ErrorCode::permission : ErrorCode::io,
        fmt::format("Cannot make {} socket for {}: {}.", type == SOCK_RAW ? "a raw" : "a UDP",
                    to_string(family), words_of(error)));
  }
  const int bytes = static_cast<int>(buffer_bytes);
  grow_buffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, bytes);
  grow_buffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, bytes);
  auto set = v4 ? set_option(fd.get(), IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS")
                : set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
  if (set && !v4 && type != SOCK_RAW)
    set = set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  if (!set) return std::unexpected(set.error());
  return fd;
}

}  // namespace espalier::io
