// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// Notices peers that are sent packets and from which none comes: from the first one on, or any
// more.
class SilenceWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kPatience{10};       // with one that was never heard
  static constexpr std::chrono::seconds kLaterPatience{30};  // traffic may be one-way for a while

  // Looks at the SAs' counters; gives an event for each peer, identified by its address, that has
  // been silent since a packet was seen to leave for it, once, and one when it is heard again.
  std::vector<GatewayEvent> look(std::span<const SaTraffic> sas, Time now);
  // Since when the peer has been sent packets in vain, if it was told to be silent.
  std::optional<std::chrono::seconds> silent_for(const IpAddress& peer, Time now) const;
  // Whether time alone may bring an event.
  bool is_waiting() const noexcept { return waiting_; }

 private:
  struct Peer {
    std::uint64_t sent = 0, received = 0;  // when it was last heard, or seen first
    Time waiting_since{};                  // a packet has left since then
    bool waiting = false;
    bool heard = false;
    bool told = false;
  };
  std::map<IpAddress, Peer> peers_;
  bool waiting_ = false;  // for one of them that has not been told of
};

}  // namespace espalier
