// SPDX-License-Identifier: Apache-2.0
#include "esp/kept.hpp"

#include <mutex>
#include <vector>

namespace espalier::esp {

void keep_until_exit(std::shared_ptr<void> thing) {
  // Never destroyed, on purpose: a device may write to its buffers until the very end.
  static auto& kept = *new std::vector<std::shared_ptr<void>>();
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(thing));
}

}  // namespace espalier::esp
