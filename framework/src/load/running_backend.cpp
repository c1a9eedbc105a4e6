// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/believe.hpp>
#include <load/describe.hpp>
#include <load/running_backend.hpp>
#include <load/status.hpp>
#include <load/table_check.hpp>

#include <algorithm>
#include <utility>

namespace espalier::load {
namespace {

espalier_sa asked_for(const SaSpec& sa) {
  espalier_sa asked{};
  asked.struct_size = sizeof asked;
  asked.cipher = static_cast<std::uint16_t>(sa.transform.cipher);
  asked.integrity = static_cast<std::uint16_t>(sa.transform.integrity);
  asked.key_bits = sa.transform.key_bits;
  asked.icv_bytes = sa.transform.icv_bytes;
  asked.direction = static_cast<std::uint32_t>(sa.direction);
  asked.mode = static_cast<std::uint32_t>(sa.mode);
  asked.encapsulation = static_cast<std::uint32_t>(sa.encapsulation);
  asked.family = static_cast<std::uint32_t>(sa.family());
  asked.esn = sa.esn ? 1 : 0;
  asked.replay_window = sa.replay_window;
  return asked;
}

}  // namespace

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

Result<Recipe> RunningBackend::recipe(const Device& device, const SaSpec& sa) const {
  const std::string what =
      fmt::format("say how SA '{}' goes to {}/{}", sa.name, name_, device.name);
  if (table_->kernel == nullptr)
    return fail(ErrorCode::unsupported,
                fmt::format("cannot {}: the backend has no devices in the kernel", what));
  return guarded([&]() -> Result<Recipe> {
    Words words;
    const espalier_sa asked = asked_for(sa);
    espalier_recipe said{};
    said.struct_size = sizeof said;
    const espalier_status status =
        table_->kernel->recipe(table_->self, device.id, &asked, &said, words.message());
    if (status != ESPALIER_OK) return std::unexpected(refused(status, what, words));
    auto recipe = believe(said, device);
    if (recipe) return recipe;
    return fail(ErrorCode::lost,
                fmt::format("cannot {}: {} (a bug in the plugin)", what, recipe.error().message));
  });
}

}  // namespace espalier::load
