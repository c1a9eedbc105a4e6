// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/inner_packet.hpp"

#include <espalier/packet.hpp>

#include <algorithm>
#include <chrono>

namespace espalier::esp {

// Makes a packet that does not fit the tunnel into the answer to its sender: 'fragmentation needed'
// (RFC 1191 4) or 'packet too big' (RFC 8201, RFC 4443 3.2), with the `mtu` that fits, but no IPv6
// sender is told less than 1280: it would not believe it (RFC 8201 4), and packets of up to 1280
// are carried in fragments (RFC 2473 7.1). It comes from the address that the packet was for, which
// the way back always lets pass. False, and the packet unchanged, where no answer may be given (RFC
// 1122 3.2.2, RFC 4443 2.4 e): to an ICMP error or what may be one, to another fragment than the
// first (of IPv6: if it is of ICMP), from or to a multicast address.
bool answer_too_big(Packet& packet, const InnerPacket& inner, std::uint32_t mtu) noexcept;

// How many such answers may be given (RFC 4443 2.4 f): a token bucket.
class AnswerLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::uint32_t kBurst = 32;
  static constexpr std::chrono::milliseconds kInterval{10};  // until there is one more

  bool take(TimePoint now) noexcept {
    const auto grown = (now - last_) / kInterval;
    if (grown > 0) {
      tokens_ = grown >= kBurst ? kBurst : std::min(kBurst, tokens_ + std::uint32_t(grown));
      last_ = now;
    }
    return tokens_ > 0 && tokens_-- > 0;
  }

 private:
  std::uint32_t tokens_ = 0;
  TimePoint last_{};
};

}  // namespace espalier::esp
