// SPDX-License-Identifier: Apache-2.0
//
// Faults for testers: another backend with a script of what goes wrong. Its devices, capabilities
// and packets are the other's; which faults there are is in script.hpp, and how a script is written
// in configs/appliances/test-bench.toml.
#include <espalier/plugin.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "decorated.hpp"
#include "fate.hpp"
#include "queue.hpp"

namespace espalier::fault {
namespace {

using sdk::Refusal;
using sdk::Result;

Refusal unplugged() { return {ESPALIER_LOST, "unplugged by the script of the fault backend"}; }

class FaultDevice final : public sdk::Device {
 public:
  FaultDevice(Decorated& decorated, Fate& fate, std::uint64_t generation, void* inner,
              bool inner_is_asynchronous)
      : decorated_(decorated),
        fate_(fate),
        generation_(generation),
        inner_(inner),
        inner_is_asynchronous_(inner_is_asynchronous) {}
  ~FaultDevice() override { table().device_close(inner_); }

  Result<std::uint64_t> session_open(const espalier_session_params& params) override {
    if (const auto refusal = refused(Call::session_open)) return *refusal;
    std::uint64_t session = 0;
    auto opened = ask([&](espalier_message* message) {
      return table().session_open(inner_, &params, &session, message);
    });
    if (!opened) return opened.refusal();
    return session;
  }
  void session_close(std::uint64_t session) override { table().session_close(inner_, session); }

  Result<std::unique_ptr<sdk::Queue>> queue_open() override {
    if (const auto refusal = refused(Call::queue_open)) return *refusal;
    void* queue = nullptr;
    auto opened =
        ask([&](espalier_message* message) { return table().queue_open(inner_, &queue, message); });
    if (!opened) return opened.refusal();
    return std::make_unique<FaultQueue>(decorated_, fate_, generation_, queue,
                                        inner_is_asynchronous_);
  }

  Result<std::uint64_t> mem_attach(void* base, std::uint64_t size) override {
    std::uint64_t iova = 0;
    auto attached = ask([&](espalier_message* message) {
      return table().mem_attach(inner_, base, size, &iova, message);
    });
    if (!attached) return attached.refusal();
    return iova;
  }
  void mem_detach(void* base, std::uint64_t size) override {
    table().mem_detach(inner_, base, size);
  }

 private:
  const espalier_userspace& table() const { return decorated_.userspace(); }
  std::optional<Refusal> refused(Call call) {
    return fate_.alive(generation_) ? fate_.refusal(call) : unplugged();
  }

  Decorated& decorated_;
  Fate& fate_;
  const std::uint64_t generation_;
  void* const inner_;
  const bool inner_is_asynchronous_;
};

class FaultBackend final : public sdk::Backend {
 public:
  FaultBackend(const espalier_host* host, std::string_view options)
      : host_(*host),
        fate_(
            read_script(options), [this] { return host_.monotonic_ns(host_.context); },
            [this](std::int32_t event) { tell_all(event); }),
        decorated_(decorate()) {}

  Result<std::vector<espalier_device_info>> enumerate() override {
    const auto generation = fate_.plugged();
    if (!generation || !decorated_) return std::vector<espalier_device_info>{};
    auto devices = decorated_->enumerate();
    if (!devices) return devices;
    for (auto& device : *devices) {
      device.id = id_of(device.id, *generation);
      device.flags |= ESPALIER_DEVICE_ASYNC;
      sdk::copy_text(device.description, "with faults: " + std::string(device.description));
    }
    return devices;
  }

  Result<std::vector<espalier_capability>> caps(std::uint64_t device) override {
    const auto inner = plugged_id(device);
    return inner ? decorated_->caps(*inner) : Result<std::vector<espalier_capability>>(unplugged());
  }

  Result<std::vector<espalier_pool>> pools(std::uint64_t device) override {
    const auto inner = plugged_id(device);
    return inner ? decorated_->pools(*inner) : Result<std::vector<espalier_pool>>(unplugged());
  }

  espalier_health health(std::uint64_t device) override {
    auto said = sdk::sized<espalier_health>();
    said.state = ESPALIER_GONE;
    sdk::copy_text(said.reason, unplugged().reason);
    const auto inner = plugged_id(device);
    if (inner) said = decorated_->health(*inner);
    if (!fate_.script().health) return said;
    said.state = *fate_.script().health;
    sdk::copy_text(said.reason, "so says the script of the fault backend");
    return said;
  }

  Result<std::unique_ptr<sdk::Device>> open(std::uint64_t device) override {
    const auto generation = fate_.plugged();
    const auto inner = plugged_id(device);
    if (!generation || !inner) return unplugged();
    if (const auto refusal = fate_.refusal(Call::device_open)) return *refusal;
    auto devices = decorated_->enumerate();
    if (!devices) return devices.refusal();
    const auto info = std::find_if((*devices).begin(), (*devices).end(),
                                   [&](const auto& each) { return each.id == *inner; });
    if (info == (*devices).end()) return Refusal{ESPALIER_LOST, "the decorated device has gone"};
    void* opened = nullptr;
    auto status = ask([&](espalier_message* message) {
      return decorated_->userspace().device_open(decorated_->self(), *inner, &opened, message);
    });
    if (!status) return status.refusal();
    return std::make_unique<FaultDevice>(*decorated_, fate_, *generation, opened,
                                         (info->flags & ESPALIER_DEVICE_ASYNC) != 0);
  }

 private:
  // Ids are never used again after a loss, so each return of a device gives it another one.
  struct Id {
    std::uint64_t inner, generation;
    bool operator==(const Id& other) const {
      return inner == other.inner && generation == other.generation;
    }
  };

  std::unique_ptr<Decorated> decorate() {
    const Script& script = fate_.script();
    if (script.backend.empty()) return nullptr;
    return std::make_unique<Decorated>(
        host_, script.backend, script.backend_options,
        [this](std::int32_t event, std::uint64_t device) { pass_on(event, device); });
  }

  std::uint64_t id_of(std::uint64_t inner, std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    const Id id{inner, generation};
    const auto known = std::find(ids_.begin(), ids_.end(), id);
    const auto index = known - ids_.begin();
    if (known == ids_.end()) ids_.push_back(id);
    return static_cast<std::uint64_t>(index) + 1;
  }

  // The decorated device of that id, if it is the one that is plugged in now.
  std::optional<std::uint64_t> plugged_id(std::uint64_t id) {
    const auto generation = fate_.plugged();
    const std::lock_guard lock(mutex_);
    if (!generation || id == 0 || id > ids_.size() || ids_[id - 1].generation != *generation)
      return std::nullopt;
    return ids_[id - 1].inner;
  }

  void pass_on(std::int32_t event, std::uint64_t device) {
    if (const auto generation = fate_.plugged())
      host_.event(host_.context, event, id_of(device, *generation));
  }

  // All devices of the last generation are lost, or back under ids that enumerate() will give.
  void tell_all(std::int32_t event) {
    std::vector<std::uint64_t> concerned;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < ids_.size(); ++i)
        if (ids_[i].generation == ids_.back().generation) concerned.push_back(i + 1);
    }
    for (const auto id : concerned) host_.event(host_.context, event, id);
  }

  const espalier_host& host_;
  std::mutex mutex_;
  std::vector<Id> ids_;  // of devices, by id - 1
  Fate fate_;
  std::unique_ptr<Decorated> decorated_;
};

}  // namespace
}  // namespace espalier::fault

ESPALIER_PLUGIN(espalier::fault::FaultBackend, "name=fault\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
