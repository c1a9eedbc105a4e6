// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/counter.hpp"
#include "esp/layout.hpp"
#include "esp/replay_window.hpp"
#include "esp/selector.hpp"
#include "esp/sequence.hpp"
#include "esp/slot.hpp"

#include <espalier/device.hpp>

#include <string>
#include <vector>

namespace espalier::esp {

class DeviceQueue;

// An SA's session on a device, with the queue that leads there. Made and destroyed by the control
// thread; between the command that brings it and the reply that returns it, the worker's.
struct Binding {
  Session session;
  DeviceQueue* queue = nullptr;
  std::uint32_t max_length = kMaxEspPacket;
  std::uint32_t in_flight = 0;  // ops that name this session and are not completed
  bool retired = false;         // replaced; to be returned when nothing is in flight
};

// What the engine knows of an SA: all of its state (laws 1, 2) lives here and none in a backend.
// Owned by the control thread, which reads only what is constant and the counters; everything else
// is the owning worker's.
struct SaState {
  SaState(const SaSpec& spec, const EspLayout& esp_layout, std::uint32_t owner)
      : name(spec.name),
        spi(spec.spi),
        worker(owner),
        direction(spec.direction),
        transform(spec.transform),
        esn(spec.esn),
        layout(esp_layout) {}
  virtual ~SaState() = default;

  const std::string name;
  const std::uint32_t spi;
  const std::uint32_t worker;
  const Direction direction;
  const Transform transform;
  const bool esn;
  const EspLayout layout;

  Binding* binding = nullptr;
  Slot* head = nullptr;  // packets that have a number and are not retired, in order
  Slot* tail = nullptr;
  bool removed = false;

  Counter sequence;  // outbound: last assigned; inbound: highest accepted
  Counter packets;
  Counter bytes;
  Counter errors;
  Counter moves;
};

struct OutboundSa final : SaState {
  OutboundSa(const SaSpec& spec, const EspLayout& esp_layout, std::uint32_t owner)
      : SaState(spec, esp_layout, owner), selectors(spec.selectors), counter(spec.esn) {
    wire.local = spec.local;
    wire.peer = spec.peer;
  }

  const std::vector<TrafficSelector> selectors;
  SequenceCounter counter;
  WireAddress wire;
  bool end_reported = false;
};

struct InboundSa final : SaState {
  InboundSa(const SaSpec& spec, const EspLayout& esp_layout, std::uint32_t owner)
      : SaState(spec, esp_layout, owner), window(spec.replay_window) {
    for (const TrafficSelector& selector : spec.selectors) selectors.emplace_back(selector);
  }

  ReplayWindow window;
  std::vector<SelectorMatch> selectors;
};

}  // namespace espalier::esp
