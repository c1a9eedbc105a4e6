// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/registry.hpp>

#include <cstddef>
#include <mutex>
#include <vector>

namespace espalier::load {

// Events on their way from backends to whoever takes them. Thread-safe. An event that is already
// waiting is not added again, and what does not fit is dropped, so that a backend that cannot stop
// talking costs a fixed amount of memory.
class Mailbox {
 public:
  static constexpr std::size_t kCapacity = 4096;

  bool post(DeviceEvent event);  // false if dropped
  std::vector<DeviceEvent> take();

 private:
  std::mutex mutex_;
  std::vector<DeviceEvent> waiting_;
};

}  // namespace espalier::load
