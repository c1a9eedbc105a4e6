// SPDX-License-Identifier: Apache-2.0
#include "place/ledger.hpp"

#include <espalier/abi.h>

namespace espalier {

void Ledger::add(std::string_view sa, const Place& place) {
  const std::uint32_t slot = slot_of(place.device);
  if (entries_.emplace(sa, Entry{slot, place.direction}).second) {
    ++slots_[slot].count(place.direction);
  }
}

std::optional<Ledger::Place> Ledger::remove(std::string_view sa) {
  const auto it = entries_.find(sa);
  if (it == entries_.end()) return std::nullopt;
  auto left = leave(it->second);
  entries_.erase(it);
  return left;
}

std::uint64_t Ledger::on_device(const DeviceName& device, std::uint32_t directions) const {
  const auto it = slot_by_name_.find(device);
  if (it == slot_by_name_.end()) return 0;
  const Slot& slot = slots_[it->second];
  return ((directions & ESPALIER_OUTBOUND) != 0 ? slot.outbound : 0) +
         ((directions & ESPALIER_INBOUND) != 0 ? slot.inbound : 0);
}

std::uint64_t Ledger::on_backend(std::string_view backend) const {
  std::uint64_t sum = 0;
  for (const auto& slot : slots_) {
    if (slot.device.backend == backend) sum += slot.outbound + slot.inbound;
  }
  return sum;
}

std::uint32_t Ledger::slot_of(const DeviceName& device) {
  const auto [it, added] = slot_by_name_.emplace(device, static_cast<std::uint32_t>(slots_.size()));
  if (added) slots_.push_back({device});
  return it->second;
}

Ledger::Place Ledger::leave(const Entry& entry) {
  Slot& slot = slots_[entry.slot];
  --slot.count(entry.direction);
  return {slot.device, entry.direction};
}

}  // namespace espalier
