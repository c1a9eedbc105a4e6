// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <string_view>
#include <tuple>

namespace espalier::esp {

// What tells SAs apart on the wire (RFC 4301 4.1): inbound the SPI, which this end chose; outbound
// the SPI and the peer, as each peer chooses its own. Hashes and compares specs that are kept
// elsewhere.
struct OnWire {
  static auto key(const SaSpec& sa) {
    const bool out = sa.direction == Direction::outbound;
    const bool udp = sa.encapsulation == Encapsulation::udp;
    return std::tuple(sa.spi, out, out ? sa.peer.address : IpAddress{},
                      out && udp ? sa.peer.port : std::uint16_t{0});
  }
  std::size_t operator()(const SaSpec* sa) const noexcept { return sa->spi; }
  bool operator()(const SaSpec* a, const SaSpec* b) const { return key(*a) == key(*b); }
};

// Why `sa` cannot be beside `by`, which people call `name`.
Error spi_taken(const SaSpec& sa, const SaSpec& by, std::string_view name);

}  // namespace espalier::esp
