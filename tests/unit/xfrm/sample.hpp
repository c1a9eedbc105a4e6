// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "unit/place/sample.hpp"

namespace espalier::xfrm::sample {

using espalier::sample::keys;

// 192.0.2.1 to 192.0.2.2, or back, in raw ESP.
inline SaSpec sa(Direction direction = Direction::outbound, std::uint32_t spi = 0x1000) {
  SaSpec made =
      espalier::sample::sa(direction == Direction::outbound ? "t/out" : "t/in", direction);
  made.spi = spi;
  made.encapsulation = Encapsulation::none;
  if (direction == Direction::inbound)
    std::swap(made.selectors[0].source, made.selectors[0].destination);
  return made;
}

}  // namespace espalier::xfrm::sample
