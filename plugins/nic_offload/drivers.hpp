// SPDX-License-Identifier: Apache-2.0
//
// What is known of the network drivers that offload ESP in the kernel (Linux 6.12). The kernel has
// no way to ask a driver: it refuses what a driver cannot do, and nothing tells beforehand.
#pragma once

#include <espalier/abi.h>

#include <string_view>
#include <vector>

namespace espalier::nic_offload {

// A card or a function of one, as the kernel's crypto offload uses it.
struct Driver {
  std::string_view name;   // as 'ethtool -i' shows it
  std::string_view words;  // for people
  std::vector<espalier_capability> capabilities;
  std::vector<espalier_pool> pools;
};

// The driver of that name; one that is not known gets what all of them do, and no pool.
const Driver& driver(std::string_view name);

// Whether what is known of the driver covers the SA.
bool takes(const Driver& driver, const espalier_sa& sa) noexcept;

}  // namespace espalier::nic_offload
