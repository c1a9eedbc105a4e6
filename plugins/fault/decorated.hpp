// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <functional>
#include <string>
#include <vector>

namespace espalier::fault {

// The backend that shall have the faults: an instance of our own, behind its C table. It logs,
// tells time and keeps secrets through our host; its events come to us. Thread rules are those of
// abi.h.
class Decorated {
 public:
  using Event = std::function<void(std::int32_t event, std::uint64_t device)>;

  // Throws a Refusal when the host does not give it, or it does not start.
  Decorated(const espalier_host& host, const std::string& backend, const std::string& options,
            Event event);
  ~Decorated();
  Decorated(const Decorated&) = delete;
  Decorated& operator=(const Decorated&) = delete;

  const espalier_userspace& userspace() const noexcept { return *backend_->userspace; }
  void* self() const noexcept { return backend_->self; }

  // Its userspace devices.
  sdk::Result<std::vector<espalier_device_info>> enumerate() const;
  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t device) const;
  sdk::Result<std::vector<espalier_pool>> pools(std::uint64_t device) const;
  espalier_health health(std::uint64_t device) const;

 private:
  static const Decorated& at(void* context) { return *static_cast<const Decorated*>(context); }

  const espalier_host& host_;
  const Event event_;
  espalier_host inner_host_{};
  const espalier_backend* backend_ = nullptr;
};

// Calls a function of the ABI that takes a message; its refusal keeps its class and its words.
template <class Call>
sdk::Result<bool> ask(Call&& call) {
  char text[256] = "";
  espalier_message message{text, sizeof text};
  const espalier_status status = call(&message);
  if (status == ESPALIER_OK) return true;
  return sdk::Refusal{status, text};
}

}  // namespace espalier::fault
