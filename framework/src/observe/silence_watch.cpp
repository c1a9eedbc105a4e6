// SPDX-License-Identifier: Apache-2.0
#include "observe/silence_watch.hpp"

#include <fmt/format.h>

namespace espalier {
namespace {

struct Traffic {
  const SaTraffic* outbound = nullptr;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t refused = 0;  // came in, but was dropped
};

std::string sentence(const Traffic& traffic) {
  const SaSpec& sa = *traffic.outbound->spec;
  if (traffic.refused > 0)
    return fmt::format(
        "The peer {} sends packets, but all {} of them were dropped ('espalier status' shows why). "
        "Check that both ends have the keys and SPIs of the same run.",
        to_string(sa.peer), traffic.refused);
  const bool udp = sa.encapsulation == Encapsulation::udp;
  return fmt::format(
      "The peer {} is silent: no packet came from it in the {} s since the first of SA '{}' left. "
      "Check that Espalier runs there, that a firewall lets {} through both ways, and that its "
      "configuration has {} as this end.",
      to_string(sa.peer.address), SilenceWatch::kPatience.count(), traffic.outbound->name,
      udp ? fmt::format("UDP port {}", sa.peer.port) : "IP protocol 50 (ESP)",
      to_string(sa.local.address));
}

}  // namespace

std::vector<std::string> SilenceWatch::look(std::span<const SaTraffic> sas, Time now) {
  std::map<IpAddress, Traffic> peers;
  for (const SaTraffic& sa : sas) {
    Traffic& traffic = peers[sa.spec->peer.address];
    if (sa.spec->direction == Direction::outbound) {
      if (traffic.outbound == nullptr || sa.counters.packets > 0) traffic.outbound = &sa;
      traffic.sent += sa.counters.packets;
    } else {
      traffic.received += sa.counters.packets;
      traffic.refused += sa.counters.errors;
    }
  }
  std::vector<std::string> sentences;
  for (const auto& [address, traffic] : peers) {
    if (traffic.sent == 0 || traffic.received > 0) {
      waiting_.erase(address);
      continue;
    }
    Peer& peer = waiting_.try_emplace(address, Peer{now}).first->second;
    if (peer.told || now - peer.first_sent < kPatience) continue;
    peer.told = true;
    sentences.push_back(sentence(traffic));
  }
  std::erase_if(waiting_, [&](const auto& entry) { return !peers.contains(entry.first); });
  return sentences;
}

}  // namespace espalier
