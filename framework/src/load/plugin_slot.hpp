// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/registry.hpp>
#include <load/preflight.hpp>
#include <load/running_backend.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace espalier::load {

// What all slots of a registry give to their backends.
struct SlotServices {
  Log log;
  SecretPool* secrets = nullptr;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  FindEntry find;  // among these slots
};

// One plugin, or one backend that is linked in, from its check to its open devices. Loaded into
// this process and started when it is first needed. [control]
class PluginSlot {
 public:
  static PluginSlot of_file(const std::filesystem::path& path, Result<CheckedPlugin> checked);
  static PluginSlot built_in(std::string name, const espalier_plugin_entry& entry,
                             std::string options);

  const std::string& name() const noexcept { return info_.name; }
  const std::string& path() const noexcept { return info_.path; }
  const std::string& rejected() const noexcept { return info_.rejected; }
  const std::string& options() const noexcept { return options_; }
  void set_options(std::string options) { options_ = std::move(options); }
  const std::optional<CheckedPlugin>& checked() const noexcept { return checked_; }

  // Sets it aside for good. `reason` is a clause: name and path stand beside it.
  void reject(const std::string& reason);
  // Gives it another name, for a rejected one whose own is another's.
  void rename(std::string name) { info_.name = std::move(name); }

  // Its entry, loaded when it is first needed.
  Result<const espalier_plugin_entry*> entry();
  // What it says now.
  BackendInfo describe(const SlotServices& services);
  Result<std::shared_ptr<OpenDevice>> open(std::string_view device, const SlotServices& services);
  Result<Recipe> recipe(const Device& device, const SaSpec& sa, const SlotServices& services);
  void forget(std::string_view device);

 private:
  Result<RunningBackend*> running(const SlotServices& services);
  Result<std::shared_ptr<RunningBackend>> start(const SlotServices& services);
  std::unexpected<Error> set_aside(ErrorCode code) const;  // why it may not be used

  BackendInfo info_;  // without devices
  std::string options_ = "{}";
  std::optional<CheckedPlugin> checked_;  // until it is loaded
  const espalier_plugin_entry* entry_ = nullptr;
  std::shared_ptr<RunningBackend> backend_;
  std::map<std::string, std::shared_ptr<OpenDevice>, std::less<>> open_;
};

}  // namespace espalier::load
