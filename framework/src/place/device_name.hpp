// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <string>

namespace espalier {

// What a device is known by, across losses and returns.
struct DeviceName {
  std::string backend;
  std::string device;

  friend auto operator<=>(const DeviceName&, const DeviceName&) = default;
};

}  // namespace espalier
