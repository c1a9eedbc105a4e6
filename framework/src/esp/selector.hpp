// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/inner_packet.hpp"

#include <espalier/sa.hpp>

#include <array>
#include <cstdint>

namespace espalier::esp {

// An address prefix as two masked words.
class PrefixMask {
 public:
  explicit PrefixMask(const IpPrefix& prefix) noexcept;
  bool contains(const std::array<std::uint64_t, 2>& address) const noexcept {
    return (((address[0] ^ value_[0]) & mask_[0]) | ((address[1] ^ value_[1]) & mask_[1])) == 0;
  }

 private:
  std::array<std::uint64_t, 2> value_{};
  std::array<std::uint64_t, 2> mask_{};
};

// The part of a traffic selector beside its addresses, made ready for the packet path.
class PortMatch {
 public:
  explicit PortMatch(const TrafficSelector& selector) noexcept;
  bool matches(const FlowKey& flow) const noexcept {
    return (protocol_ == 0 || protocol_ == flow.protocol()) && flow.source_port() >= source_low_ &&
           flow.source_port() <= source_high_ && flow.destination_port() >= destination_low_ &&
           flow.destination_port() <= destination_high_;
  }

 private:
  std::uint16_t source_low_, source_high_, destination_low_, destination_high_;
  std::uint8_t protocol_;
};

// A whole traffic selector made ready for the packet path.
class SelectorMatch {
 public:
  explicit SelectorMatch(const TrafficSelector& selector) noexcept;
  bool matches(const FlowKey& flow) const noexcept {
    return flow.family() == family_ && source_.contains(flow.source) &&
           destination_.contains(flow.destination) && ports_.matches(flow);
  }

 private:
  PrefixMask source_;
  PrefixMask destination_;
  PortMatch ports_;
  Family family_;
};

}  // namespace espalier::esp
