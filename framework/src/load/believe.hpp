// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>
#include <espalier/recipe.hpp>

namespace espalier::load {

// More than these are a lie.
inline constexpr std::uint32_t kMaxDevices = 4096;
inline constexpr std::uint32_t kMaxCapabilities = 1024;
inline constexpr std::uint32_t kMaxPools = 64;
inline constexpr std::uint32_t kMaxScore = 1000;

// The structs of the ABI as the framework's values, if they can be true. The error names the field.
// Pure.
Result<Device> believe(const espalier_device_info& said);
Result<Capability> believe(const espalier_capability& said);
Result<CapacityPool> believe(const espalier_pool& said);
Result<void> believe(const espalier_health& said, Device& device);  // its state and reason
// Of this device: one on an interface offloads to no other.
Result<Recipe> believe(const espalier_recipe& said, const Device& device);

}  // namespace espalier::load
