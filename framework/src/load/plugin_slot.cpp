// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/library.hpp>
#include <load/plugin_slot.hpp>

#include <filesystem>
#include <utility>

namespace espalier::load {

PluginSlot PluginSlot::of_file(const std::filesystem::path& path, Result<CheckedPlugin> checked) {
  PluginSlot slot;
  slot.info_.path = path.string();
  if (checked) {
    slot.info_.name = checked->manifest.name;
    slot.info_.vendor = checked->manifest.vendor;
    slot.info_.version = checked->manifest.version;
    slot.checked_ = std::move(*checked);
  } else {
    slot.info_.name = path.stem().string();
    slot.reject(checked.error().message);
  }
  return slot;
}

PluginSlot PluginSlot::built_in(std::string name, const espalier_plugin_entry& entry,
                                std::string options) {
  PluginSlot slot;
  slot.info_.name = std::move(name);
  slot.info_.path = "built in";
  slot.options_ = std::move(options);
  slot.entry_ = &entry;
  return slot;
}

std::unexpected<Error> PluginSlot::set_aside(ErrorCode code) const {
  return fail(code, fmt::format("backend {} ({}): {}", info_.name, info_.path, info_.rejected));
}

void PluginSlot::reject(const std::string& reason) {
  info_.rejected = reason;
  checked_.reset();
}

BackendInfo PluginSlot::describe(const SlotServices& services) {
  const auto backend = running(services);
  BackendInfo now = info_;
  if (!backend) return now;
  auto devices = (*backend)->devices();
  if (devices)
    now.devices = std::move(*devices);
  else
    now.rejected = devices.error().message;
  return now;
}

Result<std::shared_ptr<OpenDevice>> PluginSlot::open(std::string_view device,
                                                     const SlotServices& services) {
  if (const auto found = open_.find(device); found != open_.end()) return found->second;
  const auto backend = running(services);
  if (!backend) return std::unexpected(backend.error());
  auto opened = (*backend)->open(device);
  if (opened) open_.emplace(device, *opened);
  return opened;
}

Result<Recipe> PluginSlot::recipe(const Device& device, const SaSpec& sa,
                                  const SlotServices& services) {
  const auto backend = running(services);
  if (!backend) return std::unexpected(backend.error());
  return (*backend)->recipe(device, sa);
}

void PluginSlot::forget(std::string_view device) {
  if (const auto found = open_.find(device); found != open_.end()) open_.erase(found);
}

Result<RunningBackend*> PluginSlot::running(const SlotServices& services) {
  if (!info_.rejected.empty()) return set_aside(ErrorCode::unsupported);
  if (!backend_) {
    auto started = start(services);
    if (!started) {
      if (info_.rejected.empty()) reject(started.error().message);
      return set_aside(started.error().code);
    }
    backend_ = std::move(*started);
  }
  return backend_.get();
}

Result<const espalier_plugin_entry*> PluginSlot::entry() {
  if (!info_.rejected.empty()) return set_aside(ErrorCode::unsupported);
  if (entry_ == nullptr) {
    const auto loaded = load_library(std::move(checked_->image), checked_->manifest);
    if (!loaded) {
      reject(loaded.error().message);
      return set_aside(loaded.error().code);
    }
    entry_ = *loaded;
    checked_.reset();
  }
  return entry_;
}

Result<std::shared_ptr<RunningBackend>> PluginSlot::start(const SlotServices& services) {
  const auto loaded = entry();
  if (!loaded) return std::unexpected(loaded.error());
  auto host = std::make_unique<HostServices>(info_.name, services.log, services.secrets,
                                             services.mailbox, services.find);
  return RunningBackend::start(info_.name, **loaded, std::move(host), options_);
}

}  // namespace espalier::load
