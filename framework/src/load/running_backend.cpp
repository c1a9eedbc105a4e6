// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/describe.hpp>
#include <load/running_backend.hpp>
#include <load/status.hpp>
#include <load/table_check.hpp>

#include <algorithm>
#include <utility>

namespace espalier::load {

RunningBackend::RunningBackend(std::string name, std::unique_ptr<HostServices> host,
                               const espalier_backend& table) noexcept
    : name_(std::move(name)), host_(std::move(host)), table_(&table) {}

RunningBackend::~RunningBackend() { table_->close(table_->self); }

Result<std::shared_ptr<RunningBackend>> RunningBackend::start(std::string name,
                                                              const espalier_plugin_entry& entry,
                                                              std::unique_ptr<HostServices> host,
                                                              const std::string& options) {
  Words words;
  const espalier_backend* table = nullptr;
  const auto answered = guarded([&]() -> Result<void> {
    const espalier_status status =
        entry.negotiate(host->table(), options.c_str(), &table, words.message());
    if (status == ESPALIER_OK) return {};
    return std::unexpected(refused(status, "start", words));
  });
  if (!answered) return std::unexpected(answered.error());
  // A table that fails here is not closed either: what it says cannot be relied on.
  if (auto sound = check_table(table); !sound) return std::unexpected(sound.error());
  return std::shared_ptr<RunningBackend>(
      new RunningBackend(std::move(name), std::move(host), *table));
}

Result<std::vector<Device>> RunningBackend::devices() const {
  return guarded([&] { return describe(*table_); });
}

Result<std::shared_ptr<OpenDevice>> RunningBackend::open(std::string_view device) {
  const auto all = devices();
  if (!all) return std::unexpected(all.error());
  const auto found = std::ranges::find(*all, device, &Device::name);
  if (found == all->end())
    return fail(ErrorCode::not_found,
                fmt::format("backend {} has no device '{}' now", name_, device));
  if (found->dataplane != Dataplane::userspace)
    return fail(
        ErrorCode::unsupported,
        fmt::format("device {}/{} works in the kernel, it cannot be opened", name_, device));
  void* handle = nullptr;
  const auto opened = guarded([&]() -> Result<void> {
    Words words;
    const espalier_status status =
        table_->userspace->device_open(table_->self, found->id, &handle, words.message());
    if (status == ESPALIER_OK) return {};
    return std::unexpected(refused(status, fmt::format("open device {}/{}", name_, device), words));
  });
  if (!opened) return std::unexpected(opened.error());
  if (handle == nullptr)
    return fail(ErrorCode::lost,
                fmt::format("cannot open device {}/{}: its plugin says that it did, but gave no "
                            "handle (a bug in the plugin)",
                            name_, device));
  return std::make_shared<OpenDevice>(name_, *found, *table_->userspace, handle,
                                      shared_from_this());
}

}  // namespace espalier::load
