// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// Notices peers that are sent packets and from which none has come.
class SilenceWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kPatience{10};

  // Looks at the SAs' counters; gives a sentence for each peer, identified by its address, that
  // has been silent for kPatience since the first packet was seen to leave for it. Once a peer.
  std::vector<std::string> look(std::span<const SaTraffic> sas, Time now);

 private:
  struct Peer {
    Time first_sent;
    bool told = false;
  };
  std::map<IpAddress, Peer> waiting_;
};

}  // namespace espalier
