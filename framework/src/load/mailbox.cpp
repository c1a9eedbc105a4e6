// SPDX-License-Identifier: Apache-2.0
#include <load/mailbox.hpp>

#include <algorithm>
#include <utility>

namespace espalier::load {

bool Mailbox::post(DeviceEvent event) {
  const std::scoped_lock lock(mutex_);
  // The order of a device's events matters (lost, then added), so only its last one is compared.
  const auto last = std::ranges::find_if(
      waiting_.rbegin(), waiting_.rend(),
      [&](const DeviceEvent& e) { return e.device == event.device && e.backend == event.backend; });
  if (last != waiting_.rend() && last->event == event.event) return true;
  if (waiting_.size() == kCapacity) return false;
  waiting_.push_back(std::move(event));
  return true;
}

std::vector<DeviceEvent> Mailbox::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace espalier::load
