// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <map>
#include <string_view>

#include "place/device_name.hpp"

namespace espalier {

// How many SAs live on each device. It knows no SA by name: there may be very many, and whoever
// placed one knows where. [control]
class Ledger {
 public:
  // Where an SA lives, or lived.
  struct Place {
    DeviceName device;
    Direction direction = Direction::outbound;
  };

  // Enters one more SA.
  void add(const Place& place);
  // Strikes one out. False, and nothing changes, where none is.
  bool remove(const Place& place);

  // SAs of a device in the directions of a bit set (abi.h).
  std::uint64_t on_device(const DeviceName& device, std::uint32_t directions = 3) const;
  std::uint64_t on_backend(std::string_view backend) const;

 private:
  struct Counts {
    std::uint64_t outbound = 0;
    std::uint64_t inbound = 0;

    std::uint64_t& of(Direction d) { return d == Direction::outbound ? outbound : inbound; }
  };

  std::map<DeviceName, Counts> counts_;  // of each device that ever had an SA
};

}  // namespace espalier
