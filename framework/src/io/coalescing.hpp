// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include "io/virtio_header.hpp"

#include <cstddef>
#include <span>

namespace espalier::io {

inline constexpr std::size_t kMostJoined = 64;  // what every kernel takes

// How many of the first packets the kernel may take as one large packet: consecutive segments of
// one TCP connection, or equally long datagrams of one UDP flow (only with `udp`). At least 1, at
// most kMostJoined. Cut again, the large packet gives exactly these, but for an IPv4 identification
// that means nothing. A packet with a wrong checksum stays alone, so that it stays wrong.
std::size_t count_joinable(std::span<Packet* const> packets, bool udp) noexcept;

// Turns the first packet's headers into those of the large packet, which goes on with what follows
// the first `header_length` bytes of each of the others. Gives what the kernel is to be told of it.
// For packets that count_joinable() gave.
VirtioHeader join(std::span<Packet* const> packets) noexcept;

}  // namespace espalier::io
