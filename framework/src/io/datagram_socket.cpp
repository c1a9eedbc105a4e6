// SPDX-License-Identifier: Apache-2.0
#include "io/datagram_socket.hpp"

#include <espalier/sa.hpp>

#include "io/os_error.hpp"
#include "io/socket_address.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::io {
namespace {

constexpr int kReceiveRounds = 8;               // a flood of errors must not hold the worker
constexpr std::size_t kSpi = 4;                 // bytes that ESP begins with
constexpr std::size_t kLongestMessage = 65507;  // what UDP can say over IPv4

void count(std::atomic<std::uint64_t>& counter, std::uint64_t n = 1) noexcept {
  counter.fetch_add(n, std::memory_order_relaxed);
}

template <class Value>
void put_control(cmsghdr& control, int level, int type, Value value) noexcept {
  control.cmsg_level = level;
  control.cmsg_type = type;
  control.cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(&control), &value, sizeof value);
}

void grow_buffer(int fd, int forced, int plain, int bytes) noexcept {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);  // cut to the system's limit
}

}  // namespace

DatagramSocket::DatagramSocket(Descriptor socket, Endpoint local, SocketKind kind,
                               std::shared_ptr<PortCounters> counters)
    : socket_(std::move(socket)),
      local_(local),
      kind_(kind),
      counters_(std::move(counters)),
      arrays_(std::make_unique<Arrays>()) {}

// ---- receiving ----------------------------------------------------------------------------------

bool DatagramSocket::read_burst() noexcept {
  for (int round = 0; round < kReceiveRounds; ++round) {
    const int got = received_.read(socket_.get());
    if (got >= 0) return got > 0;
    if (errno == EAGAIN) return false;
    if (errno == EINTR) continue;
    count(counters_->receive_errors);
    errors_.drain(socket_.get());
  }
  return false;
}

bool DatagramSocket::fits(const Datagram& datagram, const Packet& packet) noexcept {
  const bool fit =
      !datagram.truncated && datagram.bytes.size() <= packet.capacity - kHeadroom - kTailroom;
  if (!fit) count(counters_->truncated);
  return fit;
}

void DatagramSocket::put(std::span<const std::uint8_t> bytes, const WireAddress& wire,
                         Packet& packet) noexcept {
  packet.offset = kHeadroom;
  packet.length = static_cast<std::uint32_t>(bytes.size());
  packet.wire = wire;
  std::memcpy(packet.data(), bytes.data(), bytes.size());
}

void DatagramSocket::take_errors() noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
    count(counters_->receive_errors);
  errors_.drain(socket_.get());
}

// ---- sending ------------------------------------------------------------------------------------

void DatagramSocket::set_dont_fragment(bool on) noexcept {
  if (dont_fragment_ == int{on}) return;
  dont_fragment_ = int{on};
  const bool v4 = local_.address.family == Family::ipv4;
  const int value =
      v4 ? (on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT) : (on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
  (void)::setsockopt(socket_.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                     v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &value, sizeof value);
}

// How many of the first packets can be one message: as long as each other, but for a shorter last
// one, and alike in all that a message has once. Of one SA, too: by its SPI the peer's kernel gives
// the message to a worker.
std::size_t DatagramSocket::count_joined(std::span<Packet* const> packets) const noexcept {
  if (kind_ != SocketKind::udp_segmenting) return 1;
  const Packet& first = *packets.front();
  if (first.length < kSpi) return 1;
  std::size_t run = 1;
  std::size_t total = first.length;
  while (run < packets.size()) {
    const Packet& next = *packets[run];
    if (next.length > first.length || next.length < kSpi || total + next.length > kLongestMessage ||
        next.wire.peer != first.wire.peer || next.wire.tos != first.wire.tos ||
        std::memcmp(next.data(), first.data(), kSpi) != 0)
      break;
    total += next.length;
    ++run;
    if (next.length < first.length) break;
  }
  return run;
}

void DatagramSocket::prepare_message(std::size_t slot, iovec* parts,
                                     std::span<Packet* const> run) noexcept {
  for (std::size_t i = 0; i < run.size(); ++i) parts[i] = {run[i]->data(), run[i]->length};
  const Packet& packet = *run.front();
  Endpoint peer = packet.wire.peer;
  if (kind_ == SocketKind::raw) peer.port = 0;
  msghdr& header = arrays_->messages[slot].msg_hdr;
  header.msg_name = &arrays_->names[slot];
  header.msg_namelen = to_sockaddr(peer, arrays_->names[slot]);
  header.msg_iov = parts;
  header.msg_iovlen = run.size();
  header.msg_control = arrays_->controls[slot].bytes.data();
  header.msg_controllen = run.size() > 1 ? sizeof(Control::bytes) : CMSG_SPACE(sizeof(int));
  header.msg_flags = 0;
  const bool v4 = local_.address.family == Family::ipv4;
  cmsghdr* control = CMSG_FIRSTHDR(&header);
  put_control(*control, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
              int{packet.wire.tos});
  if (run.size() > 1)
    put_control(*CMSG_NXTHDR(&header, control), IPPROTO_UDP, UDP_SEGMENT,
                static_cast<std::uint16_t>(packet.length));
}

// Packets up to the next one with another DF, which is set on the socket and not on the message.
std::size_t DatagramSocket::prepare_burst(std::span<Packet* const> packets,
                                          std::size_t& messages) noexcept {
  const auto differs = [&](const Packet* p) {
    return p->wire.dont_fragment != packets.front()->wire.dont_fragment;
  };
  packets = packets.first(std::min(packets.size(), kBurst));
  packets = {packets.begin(), std::ranges::find_if(packets, differs)};
  std::size_t prepared = 0;
  for (messages = 0; prepared < packets.size(); ++messages) {
    const auto left = packets.subspan(prepared);
    const auto run = left.first(count_joined(left));
    prepare_message(messages, &arrays_->parts[prepared], run);
    prepared += run.size();
  }
  return prepared;
}

// A message that the system refuses is skipped; a full socket buffer drops the rest of the burst.
std::size_t DatagramSocket::send_prepared(std::size_t messages, bool dont_fragment) noexcept {
  std::size_t next = 0, sent = 0;
  bool again = true;  // the error may be that of a packet before, which ICMP has brought only now
  const auto packets_in = [this](std::size_t message) {
    return arrays_->messages[message].msg_hdr.msg_iovlen;
  };
  while (next < messages) {
    const int took = ::sendmmsg(socket_.get(), arrays_->messages.data() + next,
                                static_cast<unsigned>(messages - next), MSG_DONTWAIT);
    if (took > 0) {
      for (int i = 0; i < took; ++i) sent += packets_in(next++);
      again = true;
      continue;
    }
    if (took < 0 && errno == EINTR) continue;
    if (took == 0 || errno == EAGAIN) {
      while (next < messages) count(counters_->send_errors, packets_in(next++));
      break;
    }
    const int error = errno;
    errors_.drain(socket_.get());
    if (std::exchange(again, false)) continue;
    if (packets_in(next) > 1)
      sent += send_singly(next, dont_fragment, error);
    else
      count(error == EMSGSIZE ? counters_->too_big : counters_->send_errors);
    ++next;
    again = true;
  }
  return sent;
}

// The packets of a message that was refused with `error`, one by one. If the system takes each of
// them, it is the joining that it refuses: then that is given up.
std::size_t DatagramSocket::send_singly(std::size_t slot, bool dont_fragment, int error) noexcept {
  msghdr header = arrays_->messages[slot].msg_hdr;
  const std::span parts(header.msg_iov, header.msg_iovlen);
  header.msg_iovlen = 1;
  header.msg_controllen = CMSG_SPACE(sizeof(int));
  std::size_t sent = 0;
  for (iovec& part : parts) {
    header.msg_iov = &part;
    if (::sendmsg(socket_.get(), &header, MSG_DONTWAIT) >= 0)
      ++sent;
    else
      count(errno == EMSGSIZE ? counters_->too_big : counters_->send_errors);
  }
  errors_.drain(socket_.get());
  const bool by_device = error == EIO || (error == EINVAL && dont_fragment);
  if (by_device && sent == parts.size()) stop_joining();
  return sent;
}

// Some paths cannot carry it: Linux refuses it to devices without checksum offload, for example.
void DatagramSocket::stop_joining() noexcept {
  kind_ = SocketKind::udp;
  count(counters_->segmentation_refused);
  if (local_.address.family == Family::ipv4) (void)send_without_checksum(socket_.get());
}

std::size_t DatagramSocket::send(std::span<Packet* const> packets) noexcept {
  std::size_t sent = 0;
  while (!packets.empty()) {
    const bool dont_fragment = packets.front()->wire.dont_fragment;
    set_dont_fragment(dont_fragment);
    std::size_t messages = 0;
    const std::size_t prepared = prepare_burst(packets, messages);
    sent += send_prepared(messages, dont_fragment);
    packets = packets.subspan(prepared);
  }
  return sent;
}

Result<void> send_without_checksum(int fd) {
  return set_option(fd, SOL_SOCKET, SO_NO_CHECK, 1, "SO_NO_CHECK");
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
  if (!ErrorQueue::enable(fd.get(), family))
    return fail(ErrorCode::io, fmt::format("The system does not tell what a path takes "
                                           "(IP_RECVERR): {}.",
                                           words_of(errno)));
  return fd;
}

}  // namespace espalier::io
