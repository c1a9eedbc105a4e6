// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace espalier {

// When an outbound SA needs a NAT keepalive (RFC 3948 4): after `limit` without a packet of its own
// or a keepalive. Looked at every tick(), it lets no more than `limit` and one tick pass.
class KeepaliveWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit KeepaliveWatch(std::chrono::seconds limit) : limit_(limit) {}

  std::chrono::milliseconds tick() const {
    using namespace std::chrono_literals;
    return std::clamp<std::chrono::milliseconds>(limit_ / 4, 250ms, 1000ms);
  }

  // `sequence` is the number that the SA gave last, 0 for none, as after a rekey. What was before
  // the first look is unknown, so that one is due.
  bool due(std::uint64_t sequence, Time now) {
    const bool sent = heard_ && sequence != sequence_ && sequence != 0;
    sequence_ = sequence;
    if (!sent && heard_ && now - *heard_ < limit_) return false;
    heard_ = now;
    return !sent;
  }

 private:
  std::chrono::milliseconds limit_;
  std::uint64_t sequence_ = 0;
  std::optional<Time> heard_;  // the newest packet or keepalive
};

}  // namespace espalier
