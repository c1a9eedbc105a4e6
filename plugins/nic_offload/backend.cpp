// SPDX-License-Identifier: Apache-2.0
//
// Network cards to which the kernel offloads the cryptography of ESP: every interface whose driver
// says so ('ethtool -k': esp-hw-offload) is a device. It takes no options.
#include <espalier/plugin.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers.hpp"
#include "interfaces.hpp"

namespace espalier::nic_offload {
namespace {

// Numbers of interfaces are hardly ever given twice; one that goes and comes gets a new one.
std::optional<Interface> find(std::uint64_t device) {
  for (Interface& interface : offloading_interfaces())
    if (interface.index == device) return std::move(interface);
  return std::nullopt;
}

std::string description_of(const Interface& interface) {
  return interface.driver + ", crypto offload (" + std::string(driver(interface.driver).words) +
         (interface.bus.empty() ? ")" : ", " + interface.bus + ")");
}

sdk::Refusal gone() { return {ESPALIER_LOST, "there is no such interface any more"}; }

class NicOffload final : public sdk::Backend {
 public:
  NicOffload(const espalier_host*, std::string_view options) {
    const auto table = nlohmann::json::parse(options, nullptr, false);
    if (!table.is_object() || !table.empty())
      throw sdk::Refusal{ESPALIER_INVALID, "the nic_offload backend has no options"};
  }

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    const auto found = std::make_shared<const std::vector<Interface>>(offloading_interfaces());
    known_ = found;
    std::vector<espalier_device_info> devices;
    for (const Interface& interface : *found) {
      auto& info = devices.emplace_back(sdk::sized<espalier_device_info>());
      info.dataplane = ESPALIER_KERNEL;
      info.id = interface.index;
      info.numa_node = -1;
      sdk::copy_text(info.name, interface.name);
      sdk::copy_text(info.interface, interface.name);
      sdk::copy_text(info.description, description_of(interface));
    }
    return devices;
  }

  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t device) override {
    const auto known = known_device(device);
    if (!known) return gone();
    return driver(known->driver).capabilities;
  }

  sdk::Result<std::vector<espalier_pool>> pools(std::uint64_t device) override {
    const auto known = known_device(device);
    if (!known) return gone();
    return driver(known->driver).pools;
  }

  espalier_health health(std::uint64_t device) override {
    auto health = sdk::sized<espalier_health>();
    const auto now = find(device);
    health.state = !now ? ESPALIER_GONE : now->up ? ESPALIER_UP : ESPALIER_DOWN;
    if (!now) sdk::copy_text(health.reason, gone().reason);
    if (now && !now->up) sdk::copy_text(health.reason, "the interface is set down");
    return health;
  }

  sdk::Result<espalier_recipe> recipe(std::uint64_t device, const espalier_sa& sa) override {
    const auto known = known_device(device);
    if (!known) return gone();
    if (!takes(driver(known->driver), sa))
      return sdk::Refusal{ESPALIER_UNSUPPORTED,
                          "the driver " + known->driver + " does not offload such an SA"};
    auto made = sdk::sized<espalier_recipe>();
    made.offload = ESPALIER_OFFLOAD_CRYPTO;
    sdk::copy_text(made.interface, known->name);
    return made;
  }

 private:
  std::optional<Interface> known_device(std::uint64_t device) const {
    const auto known = known_.load();
    const auto found = std::ranges::find(*known, device, &Interface::index);
    return found == known->end() ? std::nullopt : std::optional(*found);
  }

  // Of the last enumerate(); recipes are asked for from any thread.
  std::atomic<std::shared_ptr<const std::vector<Interface>>> known_ =
      std::make_shared<const std::vector<Interface>>();
};

}  // namespace
}  // namespace espalier::nic_offload

ESPALIER_PLUGIN(espalier::nic_offload::NicOffload,
                "name=nic_offload\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
