// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/extensions.h>
#include <espalier/registry.hpp>
#include <load/mailbox.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace espalier::load {

using Log = std::function<void(int level, std::string_view text)>;

// Another backend's entry by its name, checked and loaded.
using FindEntry = std::function<Result<const espalier_plugin_entry*>(std::string_view backend)>;

// What the host gives to one backend: the C table whose context is this object. Must stay where it
// is and outlive the backend. `secrets` may be null: then there is no memory for secrets. `find`
// may be empty: then there is no extension ESPALIER_HOST_PLUGINS.
class HostServices {
 public:
  HostServices(std::string backend, Log log, SecretPool* secrets, std::shared_ptr<Mailbox> mailbox,
               FindEntry find = {});
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  const espalier_host* table() const noexcept { return &table_; }
  void log(int level, std::string_view text) noexcept;

 private:
  void event(int event, std::uint64_t device) noexcept;
  espalier_status find(const char* backend, const espalier_plugin_entry** entry,
                       espalier_message* message) noexcept;

  std::string backend_;
  Log log_;
  SecretPool* secrets_;
  std::shared_ptr<Mailbox> mailbox_;
  FindEntry find_;
  espalier_host table_{};
  espalier_host_plugins plugins_{};
};

// The clock that deadlines of the ABI are told by.
std::uint64_t monotonic_ns() noexcept;

}  // namespace espalier::load
