// SPDX-License-Identifier: Apache-2.0
#include "decorated.hpp"

#include <espalier/extensions.h>

#include <utility>

namespace espalier::fault {
namespace {

using sdk::Refusal;
using sdk::Result;

const espalier_plugin_entry& entry_of(const espalier_host& host, const std::string& backend) {
  const auto* plugins = static_cast<const espalier_host_plugins*>(
      host.extension(host.context, ESPALIER_HOST_PLUGINS));
  if (plugins == nullptr)
    throw Refusal{ESPALIER_UNSUPPORTED,
                  "this host gives no other backend to decorate (it has no "
                  "extension " ESPALIER_HOST_PLUGINS ")"};
  const espalier_plugin_entry* entry = nullptr;
  auto found = ask([&](espalier_message* message) {
    return plugins->find(plugins->context, backend.c_str(), &entry, message);
  });
  if (!found) throw found.refusal();
  return *entry;
}

// Reads a list of the ABI whole, however long it is.
template <class T, class Call>
Result<std::vector<T>> read_list(Call&& call) {
  std::uint32_t count = 16;
  std::vector<T> list;
  do {
    list.assign(count, sdk::sized<T>());
    auto read = ask([&](espalier_message* message) {
      return call(list.data(), static_cast<std::uint32_t>(list.size()), &count, message);
    });
    if (!read) return read.refusal();
  } while (count > list.size());
  list.resize(count);
  return list;
}

}  // namespace

Decorated::Decorated(const espalier_host& host, const std::string& backend,
                     const std::string& options, Event event)
    : host_(host), event_(std::move(event)), inner_host_(host) {
  inner_host_.struct_size = sizeof inner_host_;
  inner_host_.context = this;
  inner_host_.log = [](void* context, std::int32_t level, const char* text) {
    at(context).host_.log(at(context).host_.context, level, text);
  };
  inner_host_.monotonic_ns = [](void* context) {
    return at(context).host_.monotonic_ns(at(context).host_.context);
  };
  inner_host_.secret_alloc = [](void* context, std::uint64_t size) {
    return at(context).host_.secret_alloc(at(context).host_.context, size);
  };
  inner_host_.secret_free = [](void* context, void* memory, std::uint64_t size) {
    at(context).host_.secret_free(at(context).host_.context, memory, size);
  };
  inner_host_.event = [](void* context, std::int32_t what, std::uint64_t device) {
    at(context).event_(what, device);
  };
  inner_host_.extension = [](void* context, const char* id) {
    return at(context).host_.extension(at(context).host_.context, id);
  };
  const auto& entry = entry_of(host, backend);
  auto started = ask([&](espalier_message* message) {
    return entry.negotiate(&inner_host_, options.c_str(), &backend_, message);
  });
  if (!started)
    throw Refusal{started.refusal().status, backend + " refused: " + started.refusal().reason};
  if (backend_->userspace != nullptr) return;
  backend_->close(backend_->self);
  throw Refusal{ESPALIER_UNSUPPORTED, backend +
                                          " has no userspace devices, only those can have "
                                          "faults"};
}

Decorated::~Decorated() { backend_->close(backend_->self); }

Result<std::vector<espalier_device_info>> Decorated::enumerate() const {
  auto all = read_list<espalier_device_info>(
      [&](auto* list, std::uint32_t capacity, std::uint32_t* count, espalier_message* message) {
        return backend_->enumerate(backend_->self, list, capacity, count, message);
      });
  if (!all) return all;
  std::vector<espalier_device_info> devices;
  for (const auto& device : *all)
    if (device.dataplane == ESPALIER_USERSPACE) devices.push_back(device);
  return devices;
}

Result<std::vector<espalier_capability>> Decorated::caps(std::uint64_t device) const {
  return read_list<espalier_capability>(
      [&](auto* list, std::uint32_t capacity, std::uint32_t* count, espalier_message* message) {
        return backend_->caps(backend_->self, device, list, capacity, count, message);
      });
}

Result<std::vector<espalier_pool>> Decorated::pools(std::uint64_t device) const {
  return read_list<espalier_pool>(
      [&](auto* list, std::uint32_t capacity, std::uint32_t* count, espalier_message* message) {
        return backend_->pools(backend_->self, device, list, capacity, count, message);
      });
}

espalier_health Decorated::health(std::uint64_t device) const {
  auto health = sdk::sized<espalier_health>();
  if (backend_->health(backend_->self, device, &health) != ESPALIER_OK) {
    health.state = ESPALIER_GONE;
    sdk::copy_text(health.reason, "the decorated backend does not say how it is");
  }
  return health;
}

}  // namespace espalier::fault
