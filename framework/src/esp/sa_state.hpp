// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/counter.hpp"
#include "esp/layout.hpp"
#include "esp/replay_window.hpp"
#include "esp/selector.hpp"
#include "esp/sequence.hpp"
#include "esp/slot.hpp"
#include "esp/usage_limit.hpp"

#include <espalier/device.hpp>

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>

namespace espalier::esp {

class DeviceQueue;

// An SA's session on a device, with the queue that leads there. Made and destroyed by the control
// thread; between the command that brings it and the reply that returns it, the worker's.
struct Binding {
  Session session;
  DeviceQueue* queue = nullptr;
  std::uint32_t in_flight = 0;  // ops that name this session and are not completed
  std::uint16_t max_length = kMaxEspPacket;
  bool retired = false;  // replaced; to be returned when nothing is in flight
};

// Of an SA that follows its peer through a NAT.
struct MovingPeer {
  Endpoint peer;  // the worker's: outbound where packets go, inbound where the newest came from
  Endpoint told;  // the control thread's: outbound where it has told the worker to send to
  std::uint32_t unanswered = 0;  // the worker's: moves that the control thread has not answered
};

// What the engine knows of an SA: all of its state (laws 1, 2) lives here and none in a backend.
// Owned by the control thread, which reads only what is constant and the counters; everything else
// but `bound` is the owning worker's.
struct SaState {
  SaState(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner)
      : spi(sa.spi),
        worker(owner),
        direction(sa.direction),
        esn(sa.esn),
        transport(sa.mode == Mode::transport),
        layout(esp_layout),
        limit(*sa.lifetime),
        spec(sa) {
    if (sa.follow_peer) moving = std::make_unique<MovingPeer>(sa.peer, sa.peer);
  }
  virtual ~SaState() = default;

  // The control thread's: the other end as it has told it to the worker, or heard it from there.
  const Endpoint& told_peer() const noexcept { return moving ? moving->told : spec.peer; }

  const std::uint32_t spi;
  const std::uint32_t worker;
  const Direction direction;
  const bool esn;
  const bool transport;
  bool removed = false;
  bool told_expired = false;  // the control thread's
  bool end_reported = false;  // outbound: that the sequence numbers are used up
  const EspLayout layout;

  Binding* binding = nullptr;
  Slot* head = nullptr;  // packets that have a number and are not retired, in order
  Slot* tail = nullptr;
  UsageLimit limit;
  std::unique_ptr<MovingPeer> moving;  // nullptr: its peer stays where it is

  Counter sequence;  // outbound: last assigned; inbound: highest accepted
  Counter packets;
  Counter bytes;
  Counter errors;
  Counter moves;

  const SaSpec spec;
  std::unique_ptr<Binding> bound;  // the control thread's: what it told the worker to use last
};

struct OutboundSa final : SaState {
  OutboundSa(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner,
             std::uint64_t first_sequence = 1)
      : SaState(sa, esp_layout, owner),
        counter(sa.esn, first_sequence - 1),
        kept_tos(static_cast<std::uint8_t>((sa.outer.dscp ? 0 : 0xfc) | (sa.outer.ecn ? 3 : 0))),
        set_tos(static_cast<std::uint8_t>(sa.outer.dscp.value_or(0) << 2)),
        dont_fragment(sa.outer.dont_fragment) {
    if (transport) kept_tos = 0xff, set_tos = 0, dont_fragment = OuterHeader::DontFragment::copy;
  }

  const Endpoint& peer() const noexcept { return moving ? moving->peer : spec.peer; }

  SequenceCounter counter;
  std::uint64_t bytes_sealed = 0;      // of inner packets that have a number
  std::uint32_t longest = kMaxPacket;  // inner packet that the path takes in one piece
  std::uint8_t kept_tos;               // what the outer header takes of the inner one
  std::uint8_t set_tos;                // and what it always has
  OuterHeader::DontFragment dont_fragment;
};

struct InboundSa final : SaState {
  InboundSa(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner,
            std::uint64_t first_sequence = 1)
      : SaState(sa, esp_layout, owner), window(sa.replay_window, first_sequence - 1) {
    for (const TrafficSelector& selector : sa.selectors) selectors.emplace_back(selector);
  }

  ReplayWindow window;
  boost::container::small_vector<SelectorMatch, 1> selectors;
};

}  // namespace espalier::esp
