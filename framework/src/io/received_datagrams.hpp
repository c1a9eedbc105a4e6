// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace espalier::io {

// A datagram where it was received; valid until the next read().
struct Datagram {
  std::span<const std::uint8_t> bytes;
  Endpoint peer;
  std::uint8_t tos = 0;
  bool truncated = false;
};

// Reads datagrams in bursts, also several that the kernel has merged into one message (UDP_GRO),
// and gives them one by one. Owned by one worker; its memory is made once.
class ReceivedDatagrams {
 public:
  ReceivedDatagrams();

  // One system call, when next() has given all. The number of messages, or -1 with errno.
  int read(int socket) noexcept;
  bool next(Datagram& datagram) noexcept;

 private:
  static constexpr std::size_t kMessages = 64;
  static constexpr std::size_t kMergedMessages = 8;  // as much, when each is up to 64 KiB
  using Buffer = std::array<std::uint8_t, 65536>;
  struct alignas(std::size_t) Control {
    std::array<std::byte, 2 * CMSG_SPACE(sizeof(int))> bytes;
  };
  struct Arrays {
    std::array<mmsghdr, kMessages> messages{};
    std::array<iovec, kMessages> parts{};
    std::array<sockaddr_storage, kMessages> names{};
    std::array<Control, kMessages> controls{};
  };

  void open_message() noexcept;

  std::unique_ptr<Arrays> arrays_;
  std::unique_ptr<Buffer[]> buffers_;  // pages are only backed once a message has needed them
  std::size_t ask_ = kMessages;
  std::size_t read_ = 0;  // messages of this burst
  std::size_t at_ = 0;    // the message that `current_` comes from
  Datagram current_;      // all that is left of the message
  std::size_t segment_ = 0;
};

}  // namespace espalier::io
