// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/host_services.hpp>
#include <load/text.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace espalier::load {
namespace {

constexpr std::size_t kMaxLogBytes = 2048;

HostServices& self(void* context) noexcept { return *static_cast<HostServices*>(context); }

void* secret_alloc(SecretPool* secrets, std::uint64_t size) noexcept {
  if (secrets == nullptr) return nullptr;
  try {
    return secrets->allocate(size).value_or(nullptr);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

std::uint64_t monotonic_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

HostServices::HostServices(std::string backend, Log log, SecretPool* secrets,
                           std::shared_ptr<Mailbox> mailbox, FindEntry find)
    : backend_(std::move(backend)),
      log_(std::move(log)),
      secrets_(secrets),
      mailbox_(std::move(mailbox)),
      find_(std::move(find)) {
  table_.struct_size = sizeof(table_);
  table_.abi_minor = ESPALIER_ABI_MINOR;
  table_.context = this;
  table_.log = [](void* context, int32_t level, const char* text) {
    if (text == nullptr) return;
    self(context).log(level, std::string_view(text, strnlen(text, kMaxLogBytes)));
  };
  table_.monotonic_ns = [](void*) { return load::monotonic_ns(); };
  table_.secret_alloc = [](void* context, uint64_t size) {
    return secret_alloc(self(context).secrets_, size);
  };
  table_.secret_free = [](void* context, void* memory, uint64_t size) {
    if (memory != nullptr && self(context).secrets_ != nullptr)
      self(context).secrets_->release(static_cast<std::uint8_t*>(memory), size);
  };
  table_.event = [](void* context, int32_t event, uint64_t device) {
    self(context).event(event, device);
  };
  table_.extension = [](void* context, const char* id) -> const void* {
    const bool known = self(context).find_ && std::strcmp(id, ESPALIER_HOST_PLUGINS) == 0;
    return known ? &self(context).plugins_ : nullptr;
  };
  plugins_.struct_size = sizeof(plugins_);
  plugins_.context = this;
  plugins_.find = [](void* context, const char* name, const espalier_plugin_entry** entry,
                     espalier_message* message) {
    return self(context).find(name, entry, message);
  };
}

// Called from C, so nothing may leave them.
void HostServices::log(int level, std::string_view text) noexcept {
  try {
    if (log_)
      log_(std::clamp<int>(level, ESPALIER_LOG_DEBUG, ESPALIER_LOG_ERROR),
           fmt::format("{}: {}", backend_, printable(text)));
  } catch (...) {  // a log that fails has nowhere to say so
  }
}

void HostServices::event(int event, std::uint64_t device) noexcept {
  try {
    if (event < ESPALIER_EVENT_DEVICE_ADDED || event > ESPALIER_EVENT_CAPACITY_FREED)
      log(ESPALIER_LOG_WARNING, fmt::format("sent an event of unknown kind {}", event));
    else if (!mailbox_->post({backend_, device, event}))
      log(ESPALIER_LOG_WARNING, "sent more events than fit; one was dropped");
  } catch (...) {
    log(ESPALIER_LOG_ERROR, "an event was lost for want of memory");
  }
}

espalier_status HostServices::find(const char* backend, const espalier_plugin_entry** entry,
                                   espalier_message* message) noexcept {
  try {
    const auto found = find_(backend);
    if (found) {
      *entry = *found;
      return ESPALIER_OK;
    }
    if (message != nullptr && message->capacity != 0)
      *fmt::format_to_n(message->text, message->capacity - 1, "{}", found.error().message).out =
          '\0';
  } catch (...) {  // want of memory
  }
  return ESPALIER_UNSUPPORTED;
}

}  // namespace espalier::load
