// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>

#include <chrono>
#include <optional>
#include <vector>

#include "place/device_name.hpp"

namespace espalier {

// What devices refused, for as long as it makes no sense to ask again. How long, and for whom, its
// class says:
//
//   unsupported  for good, for every SA of the same shape: a thousand equal SAs ask once
//   capacity     until something has left, for the directions that share the room
//   transient    for kTransient, for every SA
//   permission   until the process is restarted, for every SA
//   invalid      not remembered: it is about this request (its keys), not about the device
//
// A lost device is no refusal: see DeviceHealth. A value: time is given to every call.
class RefusalMemory {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kTransient{250};
  // A table that is full though it holds none of our SAs: others fill it, and nobody will tell.
  static constexpr std::chrono::seconds kFilledByOthers{10};

  // `device` is what the snapshot knows of it; `ours` is how many of our SAs it holds.
  void remember(const DeviceName& name, const Device& device, const SaSpec& sa, const Error& error,
                std::uint64_t ours, TimePoint now);
  // These three: whether anything was forgotten.
  // Something left: full tables of these directions may be asked again.
  bool room_freed(const DeviceName& name, std::uint32_t directions = 3);
  // The pools were read anew: a live one that went down means that something left.
  bool pools_read(const DeviceName& name, const Device& device);
  bool expire(TimePoint now);
  // The device was lost: what comes back under its name may be another one.
  void device_lost(const DeviceName& name);

  // What stands against one SA, as select() reads it: only for the snapshot of that one choice.
  std::vector<Refusal> against(const SaSpec& sa) const;
  // Everything that stands; those of one shape under the name of the SA that was refused.
  std::vector<Refusal> all() const;

 private:
  // All that a device may accept or refuse an SA for, but for its keys.
  struct Shape {
    Transform transform;
    Direction direction = Direction::outbound;
    Mode mode = Mode::tunnel;
    Encapsulation encapsulation = Encapsulation::none;
    Family family = Family::ipv4;
    bool esn = false;
    std::uint32_t replay_window = 0;

    static Shape of(const SaSpec& sa);
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  struct Entry {
    DeviceName device;
    ErrorCode code = ErrorCode::transient;
    std::string words;
    std::string sa;  // the first that was refused
    std::uint32_t directions = 3;
    std::optional<Shape> shape;        // none: every SA of these directions
    std::optional<TimePoint> expires;  // none: until something happens
    std::uint64_t live_used = 0;       // capacity: sum of the live pools at that time

    bool holds_against(const SaSpec& other) const;
  };

  std::vector<Entry> entries_;  // a few for each device: the search is linear
};

}  // namespace espalier
