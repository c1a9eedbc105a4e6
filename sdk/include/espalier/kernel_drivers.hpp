// SPDX-License-Identifier: Apache-2.0
//
// A backend whose devices are crypto drivers of the kernel: derive from it, and say in the
// constructor which there are. What a driver is asked for is a pure look-up, on any thread. C++17,
// header-only.
#pragma once

#include <espalier/kernel_crypto.hpp>
#include <espalier/plugin.hpp>

#include <string>
#include <utility>
#include <vector>

namespace espalier::sdk {

// A capability, and the recipe of its SAs.
struct KernelRecipe {
  espalier_capability capability{};
  std::string driver;  // as in /proc/crypto
  std::string module;  // that provides it, or ""
};

// Its id is its place in the list, from 1.
struct KernelDevice {
  std::string name;
  std::string description;
  std::vector<KernelRecipe> recipes;
};

namespace detail {

inline bool has_key_bits(const espalier_capability& capability, uint32_t bits) {
  switch (bits) {
    case 128:
      return (capability.key_bits & (ESPALIER_KEY_128 | ESPALIER_KEY_ANY)) != 0;
    case 192:
      return (capability.key_bits & (ESPALIER_KEY_192 | ESPALIER_KEY_ANY)) != 0;
    case 256:
      return (capability.key_bits & (ESPALIER_KEY_256 | ESPALIER_KEY_ANY)) != 0;
    default:
      return bits == 0 && (capability.key_bits & ESPALIER_KEY_ANY) != 0;
  }
}

}  // namespace detail

// Whether the SA is one of those that the capability declares.
inline bool covers(const espalier_capability& capability, const espalier_sa& sa) {
  return capability.cipher == sa.cipher && capability.integrity == sa.integrity &&
         detail::has_key_bits(capability, sa.key_bits) &&
         (capability.icv_bytes & ESPALIER_ICV(sa.icv_bytes)) != 0 &&
         (capability.directions & sa.direction) != 0 && (capability.modes & sa.mode) != 0 &&
         (capability.encapsulations & sa.encapsulation) != 0 &&
         (capability.families & sa.family) != 0 && (capability.esn & (sa.esn != 0 ? 2U : 1U)) != 0;
}

class KernelDriverBackend : public Backend {
 public:
  explicit KernelDriverBackend(std::vector<KernelDevice> devices) : devices_(std::move(devices)) {}

  Result<std::vector<espalier_device_info>> enumerate() override {
    std::vector<espalier_device_info> all;
    for (const KernelDevice& device : devices_) {
      auto info = sized<espalier_device_info>();
      info.id = all.size() + 1;
      info.dataplane = ESPALIER_KERNEL;
      info.numa_node = -1;
      copy_text(info.name, device.name);
      copy_text(info.description, device.description);
      all.push_back(info);
    }
    return all;
  }

  Result<std::vector<espalier_capability>> caps(uint64_t device) override {
    if (!known(device)) return unknown();
    std::vector<espalier_capability> all;
    for (const KernelRecipe& each : devices_[device - 1].recipes) all.push_back(each.capability);
    return all;
  }

  Result<espalier_recipe> recipe(uint64_t device, const espalier_sa& sa) override {
    if (!known(device)) return unknown();
    for (const KernelRecipe& each : devices_[device - 1].recipes) {
      if (!covers(each.capability, sa)) continue;
      auto answer = sized<espalier_recipe>();
      answer.offload = ESPALIER_OFFLOAD_NONE;
      copy_text(answer.driver, each.driver);
      copy_text(answer.module, each.module);
      return answer;
    }
    return Refusal{ESPALIER_UNSUPPORTED,
                   "the kernel's driver " + devices_[device - 1].name + " does not do this SA"};
  }

 private:
  bool known(uint64_t device) const { return device >= 1 && device <= devices_.size(); }
  static Refusal unknown() { return {ESPALIER_INVALID, "there is no device of this id"}; }

  std::vector<KernelDevice> devices_;
};

// A device of one driver: everything that it is a part of. `score`: of all that it does.
inline KernelDevice device_of(const KernelAlgorithm& driver, uint32_t score) {
  KernelDevice device{driver.driver, driver.name + " in the kernel", {}};
  const std::string module = driver.module == "kernel" ? "" : driver.module;
  if (!module.empty()) device.description += ", module " + module;
  for (const auto& capability : esp_capabilities(driver.name, score))
    device.recipes.push_back({capability, driver.driver, module});
  return device;
}

}  // namespace espalier::sdk
