// SPDX-License-Identifier: Apache-2.0
#include "place/refusal_memory.hpp"

#include <algorithm>

namespace espalier {
namespace {

std::uint32_t bit_of(Direction direction) { return static_cast<std::uint32_t>(direction); }

// The directions that share room with this one: those of the SA pools that name it.
std::uint32_t sharing_directions(const Device& device, Direction direction) {
  std::uint32_t directions = 0;
  for (const auto& pool : device.pools) {
    if (pool.kind != PoolKind::sas) continue;
    if ((pool.directions & bit_of(direction)) != 0) directions |= pool.directions;
  }
  return directions == 0 ? 3 : directions;
}

std::uint64_t live_use(const Device& device) {
  std::uint64_t sum = 0;
  for (const auto& pool : device.pools) {
    if (pool.use == PoolUse::live && pool.kind == PoolKind::sas) sum += pool.used;
  }
  return sum;
}

}  // namespace

RefusalMemory::Shape RefusalMemory::Shape::of(const SaSpec& sa) {
  return {sa.transform, sa.direction, sa.mode,         sa.encapsulation,
          sa.family(),  sa.esn,       sa.replay_window};
}

bool RefusalMemory::Entry::holds_against(const SaSpec& other) const {
  return (directions & bit_of(other.direction)) != 0 && (!shape || *shape == Shape::of(other));
}

void RefusalMemory::remember(const DeviceName& name, const Device& device, const SaSpec& sa,
                             const Error& error, std::uint64_t ours, TimePoint now) {
  Entry entry;
  entry.device = name;
  entry.code = error.code;
  entry.words = error.message;
  entry.sa = sa.name;
  switch (error.code) {
    case ErrorCode::unsupported:
      entry.shape = Shape::of(sa);
      break;
    case ErrorCode::permission:
      break;
    case ErrorCode::capacity:
      entry.directions = sharing_directions(device, sa.direction);
      entry.live_used = live_use(device);
      if (ours == 0) entry.expires = now + kFilledByOthers;
      break;
    case ErrorCode::invalid:
    case ErrorCode::lost:
      return;
    default:
      entry.expires = now + kTransient;
      break;
  }
  entries_.push_back(std::move(entry));
}

bool RefusalMemory::room_freed(const DeviceName& name, std::uint32_t directions) {
  return 0 < std::erase_if(entries_, [&](const Entry& e) {
           return e.code == ErrorCode::capacity && (e.directions & directions) != 0 &&
                  e.device == name;
         });
}

bool RefusalMemory::pools_read(const DeviceName& name, const Device& device) {
  if (entries_.empty()) return false;
  const std::uint64_t used = live_use(device);
  return 0 < std::erase_if(entries_, [&](const Entry& e) {
           return e.code == ErrorCode::capacity && used < e.live_used && e.device == name;
         });
}

void RefusalMemory::device_lost(const DeviceName& name) {
  std::erase_if(entries_, [&](const Entry& e) {
    return e.device == name && e.code != ErrorCode::permission;
  });
}

bool RefusalMemory::expire(TimePoint now) {
  return 0 <
         std::erase_if(entries_, [&](const Entry& e) { return e.expires && *e.expires <= now; });
}

std::vector<Refusal> RefusalMemory::against(const SaSpec& sa) const {
  std::vector<Refusal> standing;
  for (const auto& e : entries_) {
    if (!e.holds_against(sa)) continue;
    standing.push_back({e.device.backend, e.device.device, "", e.code, e.words});
  }
  return standing;
}

std::vector<Refusal> RefusalMemory::all() const {
  std::vector<Refusal> standing;
  for (const auto& e : entries_) {
    const bool for_all = !e.shape && e.directions == 3;
    standing.push_back({e.device.backend, e.device.device, for_all ? "" : e.sa, e.code, e.words});
  }
  return standing;
}

}  // namespace espalier
