// SPDX-License-Identifier: Apache-2.0
//
// Which devices a backend has. Vendors need not read this file.
#pragma once

#include <espalier/abi.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace espalier::sdk::table {

// The ids that enumerate() has given so far. One that is gone stays: its backend knows that it is
// lost. Before the first listing none is told from another. [any]
class Listed {
 public:
  void add(const std::vector<espalier_device_info>& devices) {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_ = true;
    for (const auto& device : devices)
      if (!has(device.id)) ids_.push_back(device.id);
  }
  bool knows(uint64_t id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !asked_ || has(id);
  }

 private:
  bool has(uint64_t id) const { return std::find(ids_.begin(), ids_.end(), id) != ids_.end(); }
  mutable std::mutex mutex_;
  std::vector<uint64_t> ids_;
  bool asked_ = false;
};

}  // namespace espalier::sdk::table
