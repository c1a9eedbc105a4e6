// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <array>
#include <chrono>
#include <cstddef>

namespace espalier::esp {

// How often a worker tells of packets with unknown SPIs: once a second for a sender, however many
// come. Senders are told apart by a hash, so that a flood from everywhere costs no memory: of two
// that share a place one is told of later.
class StrangerLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{1};

  bool take(const IpAddress& from, TimePoint now) noexcept {
    std::size_t hash = 0;
    for (const std::uint8_t byte : from.view()) hash = hash * 31 + byte;
    TimePoint& next = next_[hash % next_.size()];
    if (now < next) return false;
    next = now + kInterval;
    return true;
  }

 private:
  std::array<TimePoint, 61> next_{};
};

}  // namespace espalier::esp
