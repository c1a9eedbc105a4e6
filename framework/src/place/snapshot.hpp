// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>

#include <map>

#include "place/device_name.hpp"
#include "place/health.hpp"
#include "place/ledger.hpp"

namespace espalier {

// The inventory that select() sees: read from the registry now and then, its numbers kept true in
// place between two readings, never copied for an SA. [control]
class Snapshot {
 public:
  explicit Snapshot(Dataplane dataplane = Dataplane::userspace) {
    inventory_.dataplane = dataplane;
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // Takes over what was read; counted pools and loads are filled from the ledger. A device that was
  // there before and is not any more stays in the inventory as a lost one, for decisions to tell.
  void read(std::vector<BackendInfo> backends, const Ledger& ledger);

  // The device, or nullptr if there is none of that name now: one that is gone is in neither.
  const Device* find(const DeviceName& name) const;
  const std::map<DeviceName, Device*>& devices() const noexcept { return devices_; }

  // An SA came to the device, or left it (already in, or out of, the ledger).
  void came(const Ledger::Place& place, const Ledger& ledger) { moved(place, ledger, true); }
  void left(const Ledger::Place& place, const Ledger& ledger) { moved(place, ledger, false); }

  // Marks the quarantined devices, with the time until each is probed.
  void mark(const DeviceHealth& health, DeviceHealth::TimePoint now);
  void set_refusals(std::vector<Refusal> refusals) { inventory_.refusals = std::move(refusals); }
  void add_refusal(Refusal refusal) { inventory_.refusals.push_back(std::move(refusal)); }

  const Inventory& inventory() const noexcept { return inventory_; }

 private:
  static void remember_gone(const BackendInfo& before, BackendInfo& now);
  void moved(const Ledger::Place& place, const Ledger& ledger, bool came);

  Inventory inventory_;
  std::map<DeviceName, Device*> devices_;  // into inventory_
};

}  // namespace espalier
