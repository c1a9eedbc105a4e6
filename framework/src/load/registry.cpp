// SPDX-License-Identifier: Apache-2.0
#include <espalier/registry.hpp>

#include <fmt/format.h>
#include <load/library.hpp>
#include <load/plugin_slot.hpp>
#include <load/probe.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace espalier {
namespace {

namespace fs = std::filesystem;
using load::PluginSlot;

constexpr const char* kDisabled = "it is disabled in the configuration";

Error no_folder(const fs::path& folder, const std::error_code& error) {
  if (error == std::errc::not_a_directory)
    return {
        ErrorCode::invalid,
        fmt::format("'{}' is no folder: name the one that the plugins are in", folder.string())};
  const auto code =
      error == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io;
  return {code,
          fmt::format("the plugin folder '{}' cannot be read: {}; create it, or take it out of "
                      "the list of plugin folders",
                      folder.string(), error.message())};
}

// The *.so of a folder by name. Nothing is decided here: each is judged when it is opened.
Result<std::vector<fs::path>> plugins_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".so") found.push_back(entry->path());
  if (error) return std::unexpected(no_folder(folder, error));
  std::ranges::sort(found);
  return found;
}

}  // namespace

struct Registry::Impl {
  load::SlotServices services;
  std::vector<std::string> disabled;
  std::vector<PluginSlot> slots;

  bool is_disabled(std::string_view name) const {
    return std::ranges::find(disabled, name) != disabled.end();
  }

  // The one that may be used under this name, or nullptr.
  PluginSlot* usable(std::string_view name) {
    const auto found = std::ranges::find_if(slots, [&](const PluginSlot& slot) {
      return slot.name() == name && slot.rejected().empty();
    });
    return found == slots.end() ? nullptr : &*found;
  }

  Result<const espalier_plugin_entry*> find_entry(std::string_view name) {
    PluginSlot* const slot = usable(name);
    if (slot != nullptr) return slot->entry();
    return fail(ErrorCode::not_found,
                fmt::format("there is no backend '{}' that may be used", name));
  }

  void add_file(const fs::path& file, const load::CpuFeatures& cpu,
                const std::map<std::string, std::string>& backend_options);
  void reject_doubles();
  void probe(const RegistryOptions& options);
  void name_apart();
};

void Registry::Impl::add_file(const fs::path& file, const load::CpuFeatures& cpu,
                              const std::map<std::string, std::string>& backend_options) {
  auto& slot = slots.emplace_back(PluginSlot::of_file(file, load::preflight(file)));
  if (!slot.checked()) return;
  if (const auto own = backend_options.find(slot.name()); own != backend_options.end())
    slot.set_options(own->second);
  if (is_disabled(slot.name()))
    slot.reject(kDisabled);
  else if (const auto here = load::check_needs(slot.checked()->manifest, cpu); !here)
    slot.reject(here.error().message);
}

// Names are what policies refer to: the first plugin of a name keeps it.
void Registry::Impl::reject_doubles() {
  for (PluginSlot& slot : slots) {
    if (!slot.rejected().empty()) continue;
    if (const PluginSlot* const first = usable(slot.name()); first != &slot)
      slot.reject(fmt::format("the backend '{}' is already there, from {}: remove one of them",
                              slot.name(), first->path()));
  }
}

void Registry::Impl::probe(const RegistryOptions& options) {
  std::vector<PluginSlot*> tried;
  std::vector<load::ProbeRequest> requests;
  for (PluginSlot& slot : slots)
    if (slot.checked()) {
      tried.push_back(&slot);
      requests.push_back({&slot.checked()->manifest, slot.checked()->image.get(), slot.options()});
    }
  if (tried.empty()) return;
  std::vector<std::string> files;
  for (const PluginSlot* slot : tried) files.push_back(slot->name() + "=" + slot->path());
  for (auto& request : requests) request.others = files;
  const auto helper = load::find_helper(options.probe_helper);
  if (!helper) {
    for (PluginSlot* slot : tried) slot->reject(helper.error().message);
    return;
  }
  const auto answers = load::probe_all(*helper, requests, options.probe_limit);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    if (!answers[i].rejected.empty())
      tried[i]->reject(answers[i].rejected);
    else if (!answers[i].printed.empty() && options.log)
      options.log(ESPALIER_LOG_WARNING,
                  fmt::format("{}: printed in its probe, which plugins should not do: {}",
                              tried[i]->name(), answers[i].printed));
  }
}

// Names stay unique: where that of a rejected plugin is another's it gets a number. No policy can
// mean such a name.
void Registry::Impl::name_apart() {
  std::set<std::string> taken;
  for (const PluginSlot& slot : slots)
    if (slot.rejected().empty()) taken.insert(slot.name());
  for (PluginSlot& slot : slots) {
    if (slot.rejected().empty()) continue;
    std::string name = slot.name();
    for (int number = 2; !taken.insert(name).second; ++number)
      name = fmt::format("{} ({})", slot.name(), number);
    slot.rename(std::move(name));
  }
}

Registry::Registry() : impl_(std::make_unique<Impl>()) {
  impl_->services.find = [impl = impl_.get()](std::string_view name) {
    return impl->find_entry(name);
  };
}
Registry::~Registry() = default;

Result<std::unique_ptr<Registry>> Registry::load(const RegistryOptions& options,
                                                 SecretPool& secrets) {
  std::unique_ptr<Registry> registry(new Registry);
  Impl& impl = *registry->impl_;
  impl.services.log = options.log;
  impl.services.secrets = &secrets;
  impl.disabled = options.disabled;
  const auto cpu = load::this_cpu();
  for (const fs::path& folder : options.folders) {
    const auto files = plugins_of(folder);
    if (!files) return std::unexpected(files.error());
    for (const fs::path& file : *files) impl.add_file(file, cpu, options.backend_options);
  }
  impl.reject_doubles();
  impl.probe(options);
  impl.name_apart();
  return registry;
}

Result<void> Registry::add_builtin(std::string name, const espalier_plugin_entry& entry,
                                   std::string options) {
  if (const PluginSlot* const there = impl_->usable(name))
    return fail(ErrorCode::conflict,
                fmt::format("the backend '{}' is already there, from {}", name, there->path()));
  if (auto sound = load::check_entry(entry); !sound)
    return fail(sound.error().code, fmt::format("backend {}: {}", name, sound.error().message));
  auto slot = PluginSlot::built_in(std::move(name), entry, std::move(options));
  if (impl_->is_disabled(slot.name())) slot.reject(kDisabled);
  impl_->slots.push_back(std::move(slot));
  impl_->name_apart();
  return {};
}

std::vector<BackendInfo> Registry::backends() const {
  std::vector<BackendInfo> all;
  for (PluginSlot& slot : impl_->slots) all.push_back(slot.describe(impl_->services));
  std::ranges::sort(all, {}, &BackendInfo::name);
  return all;
}

Result<std::shared_ptr<OpenDevice>> Registry::open(std::string_view backend,
                                                   std::string_view device) {
  const auto found = std::ranges::find(impl_->slots, backend, &PluginSlot::name);
  if (found == impl_->slots.end())
    return fail(ErrorCode::not_found, fmt::format("there is no backend '{}'", backend));
  return found->open(device, impl_->services);
}

Result<Recipe> Registry::recipe(std::string_view backend, const Device& device, const SaSpec& sa) {
  const auto found = std::ranges::find(impl_->slots, backend, &PluginSlot::name);
  if (found == impl_->slots.end())
    return fail(ErrorCode::not_found, fmt::format("there is no backend '{}'", backend));
  return found->recipe(device, sa, impl_->services);
}

void Registry::forget(std::string_view backend, std::string_view device) {
  const auto found = std::ranges::find(impl_->slots, backend, &PluginSlot::name);
  if (found != impl_->slots.end()) found->forget(device);
}

std::vector<DeviceEvent> Registry::take_events() { return impl_->services.mailbox->take(); }

}  // namespace espalier
