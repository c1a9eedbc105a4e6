// SPDX-License-Identifier: Apache-2.0
//
// The C++ layer over abi.h: derive from Backend (and Device, Queue), then write
//
//   ESPALIER_PLUGIN(MyBackend, "name=my-card\nvendor=ACME\nversion=1.0\ncpu=\n")
//
// once; MyBackend has a constructor (const espalier_host*, std::string_view options), with
// userspace devices an open(), with kernel devices a recipe(). The manifest is read before any code
// of the plugin runs: `name` is what policies call it (a to z, 0 to 9, _ and -), `cpu` the features
// without which it must not be loaded, as /proc/cpuinfo names them ("aes pclmulqdq"); `vendor` and
// `version` are free. Where they are in a file that espalier_add_plugin(... MANIFEST file) was
// given, write ESPALIER_PLUGIN_ENTRY(MyBackend) instead. Every exception stops at the layer and
// becomes a status with a sentence. C++17, header-only. Thread rules are those of abi.h: Backend
// and Device [control], Queue [queue], health() [any].
#pragma once

#include <espalier/abi.h>

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace espalier::sdk {

// Why a device refused: the class that the framework acts on, and one sentence for people. Returned
// in a Result; where there is none (a backend's constructor), thrown.
struct Refusal {
  espalier_status status = ESPALIER_INVALID;
  std::string reason;
};

template <class T>
class Result {
 public:
  // From a T, or what converts to one: a unique_ptr of a derived class.
  template <class U = T, class = std::enable_if_t<std::is_convertible_v<U&&, T>>>
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}    // NOLINT
  Result(Refusal refusal) : state_(std::in_place_index<1>, std::move(refusal)) {}  // NOLINT
  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const Refusal& refusal() const { return std::get<1>(state_); }

 private:
  std::variant<T, Refusal> state_;
};

// A queue of a userspace device. Synchronous devices override process(), asynchronous ones the
// rest.
class Queue {
 public:
  virtual ~Queue() = default;
  virtual espalier_status process(espalier_op* const*, uint32_t) { return ESPALIER_INVALID; }
  virtual uint32_t submit(espalier_op* const*, uint32_t) { return 0; }
  virtual uint32_t poll(espalier_op**, uint32_t) { return 0; }
  virtual espalier_status quiesce(uint64_t /*deadline_ns*/) { return ESPALIER_OK; }
};

// An open userspace device. Closed (destroyed) after its queues and sessions.
class Device {
 public:
  virtual ~Device() = default;
  virtual Result<uint64_t> session_open(const espalier_session_params& params) = 0;
  virtual void session_close(uint64_t session) = 0;
  virtual Result<std::unique_ptr<Queue>> queue_open() = 0;
  // Gives the IOVA of the region's first byte. Only called for ESPALIER_DEVICE_NEEDS_DMA.
  virtual Result<uint64_t> mem_attach(void*, uint64_t) { return uint64_t{0}; }
  virtual void mem_detach(void*, uint64_t) {}
};

// Asked of a device only where enumerate() has listed its id: the layer refuses all others.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Result<std::vector<espalier_device_info>> enumerate() = 0;
  virtual Result<std::vector<espalier_capability>> caps(uint64_t device) = 0;
  virtual Result<std::vector<espalier_pool>> pools(uint64_t) {
    return std::vector<espalier_pool>{};
  }
  virtual espalier_health health(uint64_t) { return {sizeof(espalier_health), ESPALIER_UP, ""}; }
  virtual Result<std::unique_ptr<Device>> open(uint64_t) {
    return Refusal{ESPALIER_UNSUPPORTED, "this backend has no userspace devices"};
  }
  virtual Result<espalier_recipe> recipe(uint64_t, const espalier_sa&) {
    return Refusal{ESPALIER_UNSUPPORTED, "this backend has no kernel devices"};
  }
};

// Copies text into a fixed field of an ABI struct, cut to fit and always terminated.
template <std::size_t N>
void copy_text(char (&field)[N], std::string_view text) noexcept {
  const std::size_t n = text.size() < N ? text.size() : N - 1;
  std::memcpy(field, text.data(), n);
  std::memset(field + n, 0, N - n);
}

// An ABI struct, zeroed, with its size set.
template <class T>
T sized() noexcept {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

}  // namespace espalier::sdk

#include <espalier/plugin_table.hpp>
