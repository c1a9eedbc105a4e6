// SPDX-License-Identifier: Apache-2.0
#include <espalier/inventory.hpp>

namespace espalier {

const char* to_string(DeviceState state) noexcept {
  switch (state) {
    case DeviceState::up:
      return "up";
    case DeviceState::down:
      return "down";
    case DeviceState::degraded:
      return "degraded";
    case DeviceState::lost:
      return "lost";
    case DeviceState::quarantined:
      return "quarantined";
  }
  return "unknown";
}

const char* to_string(PoolKind kind) noexcept {
  switch (kind) {
    case PoolKind::sas:
      return "sas";
    case PoolKind::queues:
      return "queues";
    case PoolKind::mbps:
      return "mbps";
  }
  return "unknown";
}

const char* to_string(PoolUse use) noexcept {
  switch (use) {
    case PoolUse::live:
      return "live";
    case PoolUse::counted:
      return "counted";
    case PoolUse::unknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace espalier
