// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "place/device_name.hpp"

namespace espalier {

// Which SA lives on which device, and so how many there are. [control]
class Ledger {
 public:
  // Where an SA lives, or lived.
  struct Place {
    DeviceName device;
    Direction direction = Direction::outbound;
  };

  // Enters an SA that is not there yet.
  void add(std::string_view sa, const Place& place);
  // Strikes the SA out: gives the place that it left.
  std::optional<Place> remove(std::string_view sa);

  // SAs of a device in the directions of a bit set (abi.h).
  std::uint64_t on_device(const DeviceName& device, std::uint32_t directions = 3) const;
  std::uint64_t on_backend(std::string_view backend) const;
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Slot {
    DeviceName device;
    std::uint64_t outbound = 0;
    std::uint64_t inbound = 0;

    std::uint64_t& count(Direction d) { return d == Direction::outbound ? outbound : inbound; }
  };
  struct Entry {
    std::uint32_t slot = 0;
    Direction direction = Direction::outbound;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  std::uint32_t slot_of(const DeviceName& device);
  Place leave(const Entry& entry);

  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
  std::vector<Slot> slots_;  // one for each device that ever had an SA
  std::map<DeviceName, std::uint32_t> slot_by_name_;
};

}  // namespace espalier
