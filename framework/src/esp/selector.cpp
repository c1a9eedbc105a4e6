// SPDX-License-Identifier: Apache-2.0
#include "esp/selector.hpp"

#include <cstring>

namespace espalier::esp {

PrefixMask::PrefixMask(const IpPrefix& prefix) noexcept {
  std::uint8_t mask[16]{};
  for (std::size_t bit = 0; bit < prefix.length; ++bit) {
    mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | 0x80u >> (bit % 8));
  }
  std::memcpy(mask_.data(), mask, 16);
  std::memcpy(value_.data(), prefix.address.bytes.data(), 16);
}

PortMatch::PortMatch(const TrafficSelector& selector) noexcept
    : source_low_(selector.source_port_low),
      source_high_(selector.source_port_high),
      destination_low_(selector.destination_port_low),
      destination_high_(selector.destination_port_high),
      protocol_(selector.protocol) {}

SelectorMatch::SelectorMatch(const TrafficSelector& selector) noexcept
    : source_(selector.source),
      destination_(selector.destination),
      ports_(selector),
      family_(selector.source.address.family) {}

}  // namespace espalier::esp
