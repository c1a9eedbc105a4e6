// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/registry.hpp>
#include <load/mailbox.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace espalier::load {

using Log = std::function<void(int level, std::string_view text)>;

// What the host gives to one backend: the C table whose context is this object. Must stay where it
// is and outlive the backend. `secrets` may be null: then there is no memory for secrets.
class HostServices {
 public:
  HostServices(std::string backend, Log log, SecretPool* secrets, std::shared_ptr<Mailbox> mailbox);
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  const espalier_host* table() const noexcept { return &table_; }
  void log(int level, std::string_view text) noexcept;

 private:
  void event(int event, std::uint64_t device) noexcept;

  std::string backend_;
  Log log_;
  SecretPool* secrets_;
  std::shared_ptr<Mailbox> mailbox_;
  espalier_host table_{};
};

// The clock that deadlines of the ABI are told by.
std::uint64_t monotonic_ns() noexcept;

}  // namespace espalier::load
