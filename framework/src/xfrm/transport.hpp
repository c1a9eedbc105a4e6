// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include "xfrm/message.hpp"

namespace espalier::xfrm {

// What the kernel said to one request.
struct Answer {
  int error = 0;                    // an errno, or 0: it was done
  std::string words;                // the kernel's own (extended ack), or ""
  std::vector<Message> messages{};  // for what was asked; of a dump: all
};

// The way to the kernel's IPsec, so that what uses it also runs against a scripted one. [control]
class Transport {
 public:
  virtual ~Transport() = default;

  // Sends requests, as few system calls as it can, and gives an answer to each, in their order. A
  // dump of which the kernel's messages were lost, or which changed as it was read, is answered
  // with ENOBUFS or EINTR, and may be asked for again. Fails only where the kernel cannot be
  // talked to at all; what has become of the requests is then not known.
  virtual Result<std::vector<Answer>> exchange(std::span<Request> requests) = 0;

  // By which the kernel knows our requests: what it tells of changes names it (Message::port).
  virtual std::uint32_t port() const noexcept = 0;

  // The index of a network interface, or 0 if there is none of that name.
  virtual int interface_index(const std::string& name) = 0;
};

}  // namespace espalier::xfrm
