// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include <array>
#include <cstddef>
#include <optional>

namespace espalier::io {

// What the kernel keeps behind a datagram socket of packets that did not get through: of interest
// is how much a path takes (RFC 1191, RFC 8201). Such a queue must be emptied, or the socket stays
// readable. Owned by one worker; allocates nothing.
class ErrorQueue {
 public:
  static constexpr std::size_t kKept = 16;  // of a flood the first; the rest comes again

  // Asks the kernel to keep it. Gives false where it does not.
  static bool enable(int socket, Family family) noexcept;
  void drain(int socket) noexcept;
  std::optional<PathMtu> take() noexcept;

 private:
  std::array<PathMtu, kKept> found_{};
  std::size_t count_ = 0;
};

}  // namespace espalier::io
