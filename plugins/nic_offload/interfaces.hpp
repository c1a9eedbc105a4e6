// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::nic_offload {

// A network interface whose driver says that it offloads ESP.
struct Interface {
  std::string name;
  std::uint32_t index = 0;
  std::string driver;  // of a bond: that of its active member
  std::string bus;     // "0000:3b:00.0", or ""
  bool up = false;
};

// Those of this network namespace. Asks the kernel, and no device.
std::vector<Interface> offloading_interfaces();

}  // namespace espalier::nic_offload
