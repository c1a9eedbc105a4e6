// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/counter.hpp"
#include "esp/layout.hpp"
#include "esp/replay_window.hpp"
#include "esp/selector.hpp"
#include "esp/sequence.hpp"
#include "esp/slot.hpp"

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

// What the engine knows of an SA: all of its state (laws 1, 2) lives here and none in a backend.
// Owned by the control thread, which reads only what is constant and the counters; everything else
// but `bound` is the owning worker's.
struct SaState {
  SaState(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner)
      : spi(sa.spi),
        worker(owner),
        direction(sa.direction),
        esn(sa.esn),
        layout(esp_layout),
        spec(sa) {}
  virtual ~SaState() = default;

  const std::uint32_t spi;
  const std::uint32_t worker;
  const Direction direction;
  const bool esn;
  bool removed = false;
  bool end_reported = false;  // outbound: that the sequence numbers are used up
  const EspLayout layout;

  Binding* binding = nullptr;
  Slot* head = nullptr;  // packets that have a number and are not retired, in order
  Slot* tail = nullptr;

  Counter sequence;  // outbound: last assigned; inbound: highest accepted
  Counter packets;
  Counter bytes;
  Counter errors;
  Counter moves;

  const SaSpec spec;
  std::unique_ptr<Binding> bound;  // the control thread's: what it told the worker to use last
};

struct OutboundSa final : SaState {
  OutboundSa(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner)
      : SaState(sa, esp_layout, owner), counter(sa.esn) {}

  SequenceCounter counter;
};

struct InboundSa final : SaState {
  InboundSa(const SaSpec& sa, const EspLayout& esp_layout, std::uint32_t owner)
      : SaState(sa, esp_layout, owner), window(sa.replay_window) {
    for (const TrafficSelector& selector : sa.selectors) selectors.emplace_back(selector);
  }

  ReplayWindow window;
  boost::container::small_vector<SelectorMatch, 1> selectors;
};

}  // namespace espalier::esp
