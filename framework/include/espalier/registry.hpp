// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/device.hpp>
#include <espalier/recipe.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

struct RegistryOptions {
  std::vector<std::filesystem::path> folders{};  // searched for *.so, in this order, by name
  std::map<std::string, std::string> backend_options{};  // backend name to JSON text
  std::vector<std::string> disabled{};                   // named here: not loaded at all
  std::filesystem::path probe_helper{};                  // the espalier-probe program; "": found
  std::chrono::milliseconds probe_limit{3000};           // for each plugin
  std::function<void(int level, std::string_view text)> log{};  // from any thread; may be empty
};

// What happened to a device, as its backend reported it through its mailbox.
struct DeviceEvent {
  std::string backend;
  std::uint64_t device = 0;
  int event = 0;  // ESPALIER_EVENT_*
};

// All plugins of this process: those that may be used and those that were set aside, with why.
// Each is checked and probed in a child process before any of its code runs here, which is at the
// first backends() or at the first open() of it. A live plugin is never unloaded: what was loaded
// stays for the life of the process. `secrets` must outlive the registry and what it opened.
// [control]
class Registry {
 public:
  // Fails only where a folder cannot be read: a plugin that may not be used is listed as rejected.
  static Result<std::unique_ptr<Registry>> load(const RegistryOptions& options,
                                                SecretPool& secrets);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adds a backend linked into this program: the built-in ones and test doubles. No probe. A
  // conflict if a plugin of that name may be used; a rejected one makes room.
  Result<void> add_builtin(std::string name, const espalier_plugin_entry& entry,
                           std::string options = "{}");

  // What there is now, by name: devices, capabilities, pools and health are read anew.
  std::vector<BackendInfo> backends() const;

  // The open device of that name, opened at the first request and shared from then on.
  Result<std::shared_ptr<OpenDevice>> open(std::string_view backend, std::string_view device);

  // What the backend of a kernel device wants the kernel to be asked for, for this SA. Errors carry
  // the backend's own words.
  Result<Recipe> recipe(std::string_view backend, const Device& device, const SaSpec& sa);

  // Forgets the open device, so that the next open() opens it anew (after a loss).
  void forget(std::string_view backend, std::string_view device);

  // Events since the last call. From any thread.
  std::vector<DeviceEvent> take_events();

 private:
  Registry();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
