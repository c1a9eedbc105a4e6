// SPDX-License-Identifier: Apache-2.0
#include "io/received_datagrams.hpp"

#include "io/socket_address.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace espalier::io {
namespace {

int int_in(const cmsghdr& control) noexcept {
  int value = 0;
  std::memcpy(&value, CMSG_DATA(&control), sizeof value);
  return value;
}

}  // namespace

ReceivedDatagrams::ReceivedDatagrams()
    : arrays_(std::make_unique<Arrays>()),
      buffers_(std::make_unique_for_overwrite<Buffer[]>(kMessages)) {
  for (std::size_t i = 0; i < kMessages; ++i) {
    arrays_->parts[i] = {buffers_[i].data(), buffers_[i].size()};
    msghdr& header = arrays_->messages[i].msg_hdr;
    header.msg_name = &arrays_->names[i];
    header.msg_iov = &arrays_->parts[i];
    header.msg_iovlen = 1;
    header.msg_control = arrays_->controls[i].bytes.data();
  }
}

int ReceivedDatagrams::read(int socket) noexcept {
  for (std::size_t i = 0; i < ask_; ++i) {
    msghdr& header = arrays_->messages[i].msg_hdr;
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_controllen = sizeof(Control::bytes);
    header.msg_flags = 0;
  }
  at_ = read_ = 0;
  const int got = ::recvmmsg(socket, arrays_->messages.data(), static_cast<unsigned>(ask_),
                             MSG_DONTWAIT, nullptr);
  if (got <= 0) return got;
  read_ = static_cast<std::size_t>(got);
  ask_ = kMessages;
  open_message();
  return got;
}

bool ReceivedDatagrams::next(Datagram& datagram) noexcept {
  if (at_ == read_) return false;
  datagram = current_;
  datagram.bytes = current_.bytes.first(std::min(segment_, current_.bytes.size()));
  current_.bytes = current_.bytes.subspan(datagram.bytes.size());
  if (current_.bytes.empty() && ++at_ < read_) open_message();
  return true;
}

void ReceivedDatagrams::open_message() noexcept {
  mmsghdr& message = arrays_->messages[at_];
  current_.bytes = std::span(buffers_[at_]).first(message.msg_len);
  current_.peer = from_sockaddr(arrays_->names[at_]);
  current_.tos = 0;
  current_.truncated = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0;
  segment_ = message.msg_len;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message.msg_hdr); c != nullptr;
       c = CMSG_NXTHDR(&message.msg_hdr, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) current_.tos = *CMSG_DATA(c);
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
      current_.tos = static_cast<std::uint8_t>(int_in(*c));
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && int_in(*c) > 0)
      segment_ = static_cast<std::size_t>(int_in(*c));
  }
  if (segment_ < message.msg_len) ask_ = kMergedMessages;
}

}  // namespace espalier::io
