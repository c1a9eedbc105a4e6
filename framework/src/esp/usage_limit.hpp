// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <limits>

namespace espalier::esp {

// The limits of an SA's use, watched at the price of two comparisons a packet.
class UsageLimit {
 public:
  explicit UsageLimit(const Lifetime& lifetime) noexcept {
    const auto first = [](std::uint64_t soft, std::uint64_t hard) {
      return soft != 0 ? soft : or_never(hard);
    };
    packets_ = first(lifetime.soft_packets, lifetime.hard_packets);
    bytes_ = first(lifetime.soft_bytes, lifetime.hard_bytes);
  }

  // Whether something is due before the next packet; reach() says what.
  bool due(std::uint64_t packets, std::uint64_t bytes) const noexcept {
    return packets >= packets_ || bytes >= bytes_;
  }

  enum class Reached : std::uint8_t { nothing, soft, hard };
  // Each of soft and hard is given once.
  Reached reach(const Lifetime& lifetime, std::uint64_t packets, std::uint64_t bytes) noexcept {
    if (ended()) return Reached::nothing;
    packets_ = or_never(lifetime.hard_packets);
    bytes_ = or_never(lifetime.hard_bytes);
    if (due(packets, bytes)) {
      end();
      return Reached::hard;
    }
    return Reached::soft;
  }
  // From now on something is due before each packet, and ended() is true.
  void end() noexcept { packets_ = bytes_ = 0; }
  bool ended() const noexcept { return packets_ == 0; }

 private:
  static std::uint64_t or_never(std::uint64_t limit) noexcept {
    return limit != 0 ? limit : std::numeric_limits<std::uint64_t>::max();
  }

  std::uint64_t packets_;  // 0 once it is over: no limit is 0
  std::uint64_t bytes_;
};

}  // namespace espalier::esp
