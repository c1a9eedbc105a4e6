// SPDX-License-Identifier: Apache-2.0
#include "place/ledger.hpp"

#include <espalier/abi.h>

namespace espalier {

void Ledger::add(const Place& place) { ++counts_[place.device].of(place.direction); }

bool Ledger::remove(const Place& place) {
  const auto found = counts_.find(place.device);
  if (found == counts_.end() || found->second.of(place.direction) == 0) return false;
  --found->second.of(place.direction);
  return true;
}

std::uint64_t Ledger::on_device(const DeviceName& device, std::uint32_t directions) const {
  const auto found = counts_.find(device);
  if (found == counts_.end()) return 0;
  const Counts& counts = found->second;
  return ((directions & ESPALIER_OUTBOUND) != 0 ? counts.outbound : 0) +
         ((directions & ESPALIER_INBOUND) != 0 ? counts.inbound : 0);
}

std::uint64_t Ledger::on_backend(std::string_view backend) const {
  std::uint64_t sum = 0;
  for (const auto& [device, counts] : counts_) {
    if (device.backend == backend) sum += counts.outbound + counts.inbound;
  }
  return sum;
}

}  // namespace espalier
