// SPDX-License-Identifier: Apache-2.0
//
// libnl opens the socket; what goes through it is sent and taken here, so that many requests share
// a system call and the kernel's words in a refusal are not lost (libnl 3.7 drops them).
#include "xfrm/netlink_transport.hpp"

#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace espalier::xfrm {
namespace {

constexpr std::size_t kAtOnce = 64;              // requests: their answers fit kQueue
constexpr std::size_t kBytesAtOnce = 64 * 1024;  // which any socket takes
constexpr std::size_t kBuffer = 64 * 1024;       // no part of a dump is longer
constexpr int kAnswerSeconds = 30;
constexpr int kQueue = 208 * 1024;  // which anybody may have; the kernel doubles it

std::string words_of(int error) { return std::generic_category().message(error); }

bool is_dump(const Request& request) {
  return (request.header().nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

// A dump goes alone: its end is told otherwise.
std::size_t batch_size(std::span<Request> requests) {
  if (is_dump(requests.front())) return 1;
  std::size_t size = 0, bytes = 0;
  while (size < std::min(requests.size(), kAtOnce) && !is_dump(requests[size])) {
    bytes += NLMSG_ALIGN(requests[size].bytes().size());
    if (size > 0 && bytes > kBytesAtOnce) break;
    ++size;
  }
  return size;
}

std::string extended_words(const nlmsghdr& message) {
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return "";
  const auto* const data = reinterpret_cast<const std::uint8_t*>(&message);
  const auto payload = std::span(data, message.nlmsg_len)
                           .subspan(std::min<std::size_t>(NLMSG_HDRLEN, message.nlmsg_len));
  const auto attributes = Attributes::of(payload, sizeof(nlmsgerr));
  if (!attributes) return "";
  const auto text = attributes->bytes(NLMSGERR_ATTR_MSG);
  std::string words(text.begin(), std::ranges::find(text, std::uint8_t{0}));
  std::ranges::replace_if(words, [](char c) { return c < ' ' || c > '~'; }, '?');
  return words;
}

}  // namespace

NetlinkTransport::NetlinkTransport(nl_sock* socket) : socket_(socket), buffer_(kBuffer) {}
NetlinkTransport::~NetlinkTransport() { nl_socket_free(socket_); }
int NetlinkTransport::descriptor() const noexcept { return nl_socket_get_fd(socket_); }

Result<std::unique_ptr<NetlinkTransport>> NetlinkTransport::connect() {
  std::unique_ptr<NetlinkTransport> made(new NetlinkTransport(nl_socket_alloc()));
  if (made->socket_ == nullptr) return fail(ErrorCode::io, "No memory for a netlink socket.");
  if (const int error = nl_connect(made->socket_, NETLINK_XFRM); error < 0)
    return fail(ErrorCode::unsupported,
                fmt::format("This kernel's IPsec (XFRM) cannot be reached: {}. Its module is "
                            "xfrm_user.",
                            nl_geterror(-error)));
  const int on = 1;
  const timeval limit{kAnswerSeconds, 0};
  // What the kernel says of a refusal; and that it does not send the request, with its keys, back.
  ::setsockopt(made->descriptor(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(made->descriptor(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  ::setsockopt(made->descriptor(), SOL_SOCKET, SO_RCVBUF, &kQueue, sizeof kQueue);
  ::setsockopt(made->descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return made;
}

std::uint32_t NetlinkTransport::port() const noexcept { return nl_socket_get_local_port(socket_); }

int NetlinkTransport::interface_index(const std::string& name) {
  return static_cast<int>(::if_nametoindex(name.c_str()));
}

Result<std::vector<Answer>> NetlinkTransport::exchange(std::span<Request> requests) {
  std::vector<Answer> answers(requests.size());
  for (std::size_t done = 0; done < requests.size();) {
    const std::size_t size = batch_size(requests.subspan(done));
    auto ran = run({requests.subspan(done, size), std::span(answers).subspan(done, size), size});
    wipe(buffer_.data(), buffer_.size());
    if (!ran) return std::unexpected(ran.error());
    done += size;
  }
  return answers;
}

Result<void> NetlinkTransport::run(Batch batch) {
  const std::uint32_t port = nl_socket_get_local_port(socket_);
  std::uint32_t sequence = sequence_;
  for (Request& request : batch.requests) {
    nlmsghdr& header = request.header();
    header.nlmsg_seq = sequence++;
    header.nlmsg_pid = port;
    if (!is_dump(request)) header.nlmsg_flags |= NLM_F_ACK;
  }
  if (auto sent = send(batch.requests); !sent) return sent;
  while (batch.open > 0)
    if (auto received = receive(batch); !received) return received;
  sequence_ = sequence;
  return {};
}

Result<void> NetlinkTransport::send(std::span<Request> requests) {
  std::array<iovec, kAtOnce> parts{};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    nlmsghdr& header = requests[i].header();
    parts[i] = {&header, NLMSG_ALIGN(header.nlmsg_len)};  // libnl pads with zeroes
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof kernel;
  message.msg_iov = parts.data();
  message.msg_iovlen = requests.size();
  while (::sendmsg(descriptor(), &message, 0) < 0)
    if (errno != EINTR)
      return fail(errno == EPERM ? ErrorCode::permission : ErrorCode::io,
                  fmt::format("The kernel's IPsec (XFRM) takes no requests: {}.", words_of(errno)));
  return {};
}

Result<void> NetlinkTransport::receive(Batch& batch) {
  sockaddr_nl sender{};
  socklen_t size = sizeof sender;
  const auto got = ::recvfrom(descriptor(), buffer_.data(), buffer_.size(), 0,
                              reinterpret_cast<sockaddr*>(&sender), &size);
  if (got < 0 && errno == EINTR) return {};
  if (got < 0 && errno == ENOBUFS && is_dump(batch.requests.front())) {
    batch.answers.front().error = ENOBUFS;
    return {};  // what is left of it is still to be read
  }
  if (got < 0)
    return fail(ErrorCode::io, fmt::format("The kernel's IPsec (XFRM) did not answer {} of {} "
                                           "requests: {}.",
                                           batch.open, batch.requests.size(), words_of(errno)));
  if (sender.nl_pid != 0) return {};  // another process
  int left = static_cast<int>(got);
  for (auto* message = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(message, left) != 0;
       message = nlmsg_next(message, &left))
    take(*message, batch);
  return {};
}

// What is left of an earlier batch, such as the rest of a dump that was cut short, is passed over.
void NetlinkTransport::take(const nlmsghdr& message, Batch& batch) {
  const std::uint32_t index = message.nlmsg_seq - batch.requests.front().header().nlmsg_seq;
  if (index >= batch.answers.size() || batch.open == 0) return;
  Answer& answer = batch.answers[index];
  const auto* const data = reinterpret_cast<const std::uint8_t*>(&message) + NLMSG_HDRLEN;
  const std::span payload(data, message.nlmsg_len - NLMSG_HDRLEN);
  if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) answer.error = EINTR;
  if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE) {
    const int error = fixed_part<int>(payload).value_or(0);
    if (error != 0) answer.error = -error;
    if (message.nlmsg_type == NLMSG_ERROR) answer.words = extended_words(message);
    --batch.open;
  } else if (message.nlmsg_type >= NLMSG_MIN_TYPE) {
    answer.messages.push_back({message.nlmsg_type, message.nlmsg_pid, SecretBuffer(payload)});
  }
}

}  // namespace espalier::xfrm
