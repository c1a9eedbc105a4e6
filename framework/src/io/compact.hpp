// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include <cstring>
#include <span>

namespace espalier::io {

// Takes out the packets that `keep` refuses: the kept ones become the first, in their order; gives
// their number. A buffer stays with its Packet, so what moves up is copied.
template <class Keep>
std::size_t compact(std::span<Packet* const> packets, Keep&& keep) noexcept {
  std::size_t kept = 0;
  for (Packet* packet : packets) {
    if (!keep(*packet)) continue;
    Packet& place = *packets[kept++];
    if (&place == packet) continue;
    std::memcpy(place.buffer + packet->offset, packet->data(), packet->length);
    place.offset = packet->offset;
    place.length = packet->length;
    place.wire = packet->wire;
  }
  return kept;
}

}  // namespace espalier::io
