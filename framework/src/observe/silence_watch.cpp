// SPDX-License-Identifier: Apache-2.0
#include "observe/silence_watch.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {
namespace {

using Kind = GatewayEvent::Kind;

struct Traffic {
  const SaTraffic* outbound = nullptr;
  const SaTraffic* inbound = nullptr;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t refused = 0;  // came in, but was dropped
};

std::string never_heard(const Traffic& traffic) {
  const SaSpec& sa = *traffic.outbound->spec;
  if (traffic.refused > 0)
    return fmt::format(
        "The peer {} sends packets, but all {} of them were dropped ('espalier status' shows why). "
        "Check that both ends have the keys and SPIs of the same run.",
        to_string(sa.peer), traffic.refused);
  const bool udp = sa.encapsulation == Encapsulation::udp;
  return fmt::format(
      "The peer {} is silent: no packet of its SAs came in the {} s since the first of SA '{}' "
      "left. "
      "Check that Espalier runs there, that a firewall lets {} through both ways, and that its "
      "configuration has {} as this end.",
      to_string(sa.peer.address), SilenceWatch::kPatience.count(), traffic.outbound->name,
      udp ? fmt::format("UDP port {}", sa.peer.port) : "IP protocol 50 (ESP)",
      to_string(sa.local.address));
}

std::string fell_silent(const Traffic& traffic) {
  const SaSpec& sa = *traffic.outbound->spec;
  return fmt::format(
      "The peer {} has fallen silent: SA '{}' sends, and no packet of its SAs came in {} s. Check "
      "that Espalier still runs there, and the way to it; what it is sent may be lost.",
      to_string(sa.peer.address), traffic.outbound->name, SilenceWatch::kLaterPatience.count());
}

std::string heard_again(const Traffic& traffic) {
  const auto* sa = traffic.outbound != nullptr ? traffic.outbound : traffic.inbound;
  return fmt::format("The peer {} is heard again.", to_string(sa->spec->peer.address));
}

}  // namespace

std::vector<GatewayEvent> SilenceWatch::look(std::span<const SaTraffic> sas, Time now) {
  std::map<IpAddress, Traffic> peers;
  for (const SaTraffic& sa : sas) {
    Traffic& traffic = peers[sa.spec->peer.address];
    if (sa.spec->direction == Direction::outbound) {
      if (traffic.outbound == nullptr || sa.counters.packets > 0) traffic.outbound = &sa;
      traffic.sent += sa.counters.packets;
    } else {
      traffic.inbound = &sa;
      traffic.received += sa.counters.packets;
      traffic.refused += sa.counters.errors;
    }
  }
  std::vector<GatewayEvent> events;
  waiting_ = false;
  for (const auto& [address, traffic] : peers) {
    Peer& peer = peers_[address];
    if (traffic.received > peer.received) {
      if (peer.told) events.push_back({Kind::peer_heard, "", heard_again(traffic)});
      peer = {traffic.sent, traffic.received, now, false, true, false};
      continue;
    }
    // SAs that went took their counts along.
    peer.received = std::min(peer.received, traffic.received);
    peer.sent = std::min(peer.sent, traffic.sent);
    if (!peer.waiting && traffic.sent > peer.sent) peer.waiting = true, peer.waiting_since = now;
    const auto patience = peer.heard ? kLaterPatience : kPatience;
    if (!peer.waiting || peer.told) continue;
    if (now - peer.waiting_since < patience) {
      waiting_ = true;
      continue;
    }
    peer.told = true;
    events.push_back(
        {Kind::peer_silent, "", peer.heard ? fell_silent(traffic) : never_heard(traffic)});
  }
  std::erase_if(peers_, [&](const auto& entry) { return !peers.contains(entry.first); });
  return events;
}

std::optional<std::chrono::seconds> SilenceWatch::silent_for(const IpAddress& peer,
                                                             Time now) const {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || !found->second.told) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(now - found->second.waiting_since);
}

}  // namespace espalier
