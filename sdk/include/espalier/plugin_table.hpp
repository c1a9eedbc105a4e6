// SPDX-License-Identifier: Apache-2.0
//
// How plugin.hpp becomes the C table of abi.h: one static function an entry, each of which stops
// every exception. Vendors need not read this file.
#pragma once

#include <espalier/plugin.hpp>
#include <espalier/plugin_listed.hpp>
#include <espalier/plugin_structs.hpp>
#include <espalier/plugin_traits.hpp>

namespace espalier::sdk::table {

inline void say(espalier_message* message, std::string_view text) noexcept {
  if (message == nullptr || message->text == nullptr || message->capacity == 0) return;
  const std::size_t n =
      text.size() < message->capacity ? text.size() : std::size_t(message->capacity - 1);
  std::memcpy(message->text, text.data(), n);
  message->text[n] = '\0';
}

inline espalier_status refuse(espalier_message* message, const Refusal& refusal) noexcept {
  say(message, refusal.reason);
  return refusal.status == ESPALIER_OK ? ESPALIER_INVALID : refusal.status;
}

// Runs body(), which gives a status. What it throws becomes a status and a sentence: a Refusal its
// own, want of memory ESPALIER_TRANSIENT, everything else ESPALIER_LOST.
template <class Body>
espalier_status guarded(espalier_message* message, Body&& body) noexcept {
  try {
    return body();
  } catch (const Refusal& refusal) {
    return refuse(message, refusal);
  } catch (const std::bad_alloc&) {
    say(message, "out of memory");
    return ESPALIER_TRANSIENT;
  } catch (const std::exception& e) {
    say(message, e.what());
  } catch (...) {
    say(message, "the backend threw something that is not a std::exception");
  }
  return ESPALIER_LOST;
}

// What the C table sees: the backend's object, with the tables that point back to it.
struct Instance {
  std::unique_ptr<Backend> backend;
  Listed listed;
  espalier_userspace userspace{};
  espalier_kernel kernel{};
  espalier_backend table{};
};

inline Backend& backend_of(void* self) noexcept { return *static_cast<Instance*>(self)->backend; }

// The backend, to be asked of a device that it has listed; others are refused before it is asked.
inline Backend& backend_with(void* self, uint64_t device) {
  if (static_cast<Instance*>(self)->listed.knows(device)) return backend_of(self);
  throw Refusal{ESPALIER_INVALID, "the backend has no device of this id: list its devices again"};
}

inline Result<std::vector<espalier_device_info>> list_devices(void* self) {
  auto devices = backend_of(self).enumerate();
  if (devices) static_cast<Instance*>(self)->listed.add(*devices);
  return devices;
}

// The host's entries are struct_size of the first one apart, not sizeof(T).
template <class T>
espalier_status fill(Result<std::vector<T>> list, T* out, uint32_t capacity, uint32_t* count,
                     espalier_message* message) {
  if (!list) return refuse(message, list.refusal());
  *count = static_cast<uint32_t>((*list).size());
  auto* entry = reinterpret_cast<char*>(out);
  const uint32_t stride = capacity == 0 ? 0 : out->struct_size;
  for (uint32_t i = 0; i < *count && i < capacity; ++i, entry += stride)
    give(reinterpret_cast<T*>(entry), (*list)[i]);
  return ESPALIER_OK;
}

// Gives the object that a Result carries to the C side, which owns it from here on.
template <class T>
espalier_status release(Result<std::unique_ptr<T>> made, void** out, espalier_message* message) {
  if (!made) return refuse(message, made.refusal());
  *out = (*made).release();
  return ESPALIER_OK;
}

inline espalier_userspace userspace_table() noexcept {
  auto t = sized<espalier_userspace>();
  t.device_open = [](void* self, uint64_t id, void** device, espalier_message* m) {
    return guarded(m, [&] { return release(backend_with(self, id).open(id), device, m); });
  };
  t.device_close = [](void* device) { delete static_cast<Device*>(device); };
  t.mem_attach = [](void* device, void* base, uint64_t size, uint64_t* iova, espalier_message* m) {
    return guarded(m, [&]() -> espalier_status {
      auto attached = static_cast<Device*>(device)->mem_attach(base, size);
      if (!attached) return refuse(m, attached.refusal());
      *iova = *attached;
      return ESPALIER_OK;
    });
  };
  t.mem_detach = [](void* device, void* base, uint64_t size) {
    guarded(nullptr, [&] {
      static_cast<Device*>(device)->mem_detach(base, size);
      return ESPALIER_OK;
    });
  };
  t.session_open = [](void* device, const espalier_session_params* params, uint64_t* session,
                      espalier_message* m) {
    return guarded(m, [&]() -> espalier_status {
      auto opened = static_cast<Device*>(device)->session_open(take(params));
      if (!opened) return refuse(m, opened.refusal());
      *session = *opened;
      return ESPALIER_OK;
    });
  };
  t.session_close = [](void* device, uint64_t session) {
    guarded(nullptr, [&] {
      static_cast<Device*>(device)->session_close(session);
      return ESPALIER_OK;
    });
  };
  t.queue_open = [](void* device, void** queue, espalier_message* m) {
    return guarded(m,
                   [&] { return release(static_cast<Device*>(device)->queue_open(), queue, m); });
  };
  t.queue_close = [](void* queue) { delete static_cast<Queue*>(queue); };
  t.queue_quiesce = [](void* queue, uint64_t deadline) {
    return guarded(nullptr, [&] { return static_cast<Queue*>(queue)->quiesce(deadline); });
  };
  t.process = [](void* queue, espalier_op* const* ops, uint32_t n) {
    return guarded(nullptr, [&] { return static_cast<Queue*>(queue)->process(ops, n); });
  };
  // An exception leaves open which ops the device has taken. All count as taken: they then get lost
  // with the device, whereas an op sent again elsewhere could reuse its sequence number.
  t.submit = [](void* queue, espalier_op* const* ops, uint32_t n) {
    uint32_t accepted = n;
    guarded(nullptr, [&] {
      accepted = static_cast<Queue*>(queue)->submit(ops, n);
      return ESPALIER_OK;
    });
    return accepted;
  };
  t.poll = [](void* queue, espalier_op** ops, uint32_t n) {
    uint32_t polled = 0;
    guarded(nullptr, [&] {
      polled = static_cast<Queue*>(queue)->poll(ops, n);
      return ESPALIER_OK;
    });
    return polled;
  };
  return t;
}

inline espalier_kernel kernel_table() noexcept {
  auto t = sized<espalier_kernel>();
  t.recipe = [](void* self, uint64_t device, const espalier_sa* sa, espalier_recipe* out,
                espalier_message* m) {
    return guarded(m, [&]() -> espalier_status {
      auto recipe = backend_with(self, device).recipe(device, take(sa));
      if (!recipe) return refuse(m, recipe.refusal());
      give(out, *recipe);
      return ESPALIER_OK;
    });
  };
  return t;
}

inline espalier_backend backend_table(Instance& instance) noexcept {
  auto t = sized<espalier_backend>();
  t.self = &instance;
  t.close = [](void* self) { delete static_cast<Instance*>(self); };
  t.enumerate = [](void* self, espalier_device_info* out, uint32_t capacity, uint32_t* count,
                   espalier_message* m) {
    return guarded(m, [&] { return fill(list_devices(self), out, capacity, count, m); });
  };
  t.caps = [](void* self, uint64_t id, espalier_capability* out, uint32_t capacity, uint32_t* count,
              espalier_message* m) {
    return guarded(m,
                   [&] { return fill(backend_with(self, id).caps(id), out, capacity, count, m); });
  };
  t.pools = [](void* self, uint64_t id, espalier_pool* out, uint32_t capacity, uint32_t* count,
               espalier_message* m) {
    return guarded(m,
                   [&] { return fill(backend_with(self, id).pools(id), out, capacity, count, m); });
  };
  t.health = [](void* self, uint64_t id, espalier_health* out) {
    return guarded(nullptr, [&]() -> espalier_status {
      give(out, backend_with(self, id).health(id));
      return ESPALIER_OK;
    });
  };
  t.userspace = &instance.userspace;
  t.kernel = &instance.kernel;
  t.extension = [](void*, const char*) -> const void* { return nullptr; };
  return t;
}

// Wraps a backend object in its C table. The table's close() destroys both. What B cannot do has no
// table, so that a device which needs it is refused when the plugin is probed.
template <class B>
const espalier_backend* expose(std::unique_ptr<B> backend) {
  auto instance = std::make_unique<Instance>();
  instance->backend = std::move(backend);
  instance->userspace = userspace_table();
  instance->kernel = kernel_table();
  instance->table = backend_table(*instance);
  if (!Opens<B, Backend>::value) instance->table.userspace = nullptr;
  if (!GivesRecipes<B, Backend>::value) instance->table.kernel = nullptr;
  return &instance.release()->table;
}

// B is constructed from (const espalier_host*, std::string_view options); to refuse, it throws a
// Refusal.
template <class B>
espalier_status negotiate(const espalier_host* host, const char* options,
                          const espalier_backend** out, espalier_message* message) noexcept {
  static_assert(std::is_base_of_v<Backend, B>, "a plugin's class derives from sdk::Backend");
  static_assert(std::is_constructible_v<B, const espalier_host*, std::string_view>,
                "a plugin's class needs a public constructor that takes (const espalier_host*, "
                "std::string_view options)");
  return guarded(message, [&]() -> espalier_status {
    *out = expose(std::make_unique<B>(host, std::string_view(options)));
    return ESPALIER_OK;
  });
}

}  // namespace espalier::sdk::table

// The name under which a backend linked into its host is known; plugins keep the default.
#ifndef ESPALIER_PLUGIN_NAME
#define ESPALIER_PLUGIN_NAME espalier_plugin
#endif

#define ESPALIER_PLUGIN_ENTRY(Type)                                                           \
  extern "C" __attribute__((visibility("default"), used))                                     \
  const espalier_plugin_entry ESPALIER_PLUGIN_NAME = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, \
                                                      ESPALIER_ABI_MINOR,                     \
                                                      &::espalier::sdk::table::negotiate<Type>};

static_assert(ESPALIER_ABI_MAJOR == 1 && ESPALIER_ABI_MINOR == 0,
              "the manifest below says abi=1.0");

#define ESPALIER_PLUGIN(Type, manifest)         \
  ESPALIER_PLUGIN_ENTRY(Type)                   \
  __attribute__((section(".espalier.manifest"), \
                 used)) static const char espalier_plugin_manifest[] = "abi=1.0\n" manifest;
