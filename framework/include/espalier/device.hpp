// SPDX-License-Identifier: Apache-2.0
//
// Userspace devices as the framework holds them: RAII over the C table of abi.h. A Session or Queue
// keeps its OpenDevice alive, an OpenDevice its plugin.
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>
#include <espalier/secret.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

namespace espalier {

class OpenDevice;

// A keyed, immutable transform on a device. Closed when destroyed, which must not happen while an
// op of it is in flight. [control]
class Session {
 public:
  Session() = default;
  Session(std::shared_ptr<OpenDevice> device, std::uint64_t handle) noexcept;
  ~Session();
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;

  std::uint64_t handle() const noexcept { return handle_; }  // goes into espalier_op::session
  const std::shared_ptr<OpenDevice>& device() const noexcept { return device_; }
  explicit operator bool() const noexcept { return device_ != nullptr; }

 private:
  std::shared_ptr<OpenDevice> device_;
  std::uint64_t handle_ = 0;
};

// A queue of a device, owned by one thread. [queue] but for destruction. [control]
class Queue {
 public:
  Queue(std::shared_ptr<OpenDevice> device, void* handle) noexcept;
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  bool asynchronous() const noexcept { return asynchronous_; }
  const std::shared_ptr<OpenDevice>& device() const noexcept { return device_; }

  // Synchronous devices: ESPALIER_OK with all ops completed, or ESPALIER_LOST. Ops that still pend
  // after OK were not done (law 9).
  espalier_status process(std::span<espalier_op* const> ops) noexcept {
    const auto n = static_cast<std::uint32_t>(ops.size());
    return table_->process(handle_, ops.data(), n) == ESPALIER_OK ? ESPALIER_OK : ESPALIER_LOST;
  }
  // Asynchronous devices: as in abi.h. The answer of a lying device is cut to ops.size().
  std::uint32_t submit(std::span<espalier_op* const> ops) noexcept;
  std::uint32_t poll(std::span<espalier_op*> ops) noexcept;
  // After success the device touches no buffer of this queue. Synchronous devices never do.
  Result<void> quiesce(std::chrono::milliseconds limit) noexcept;

 private:
  std::shared_ptr<OpenDevice> device_;
  const espalier_userspace* table_ = nullptr;
  void* handle_ = nullptr;
  bool asynchronous_ = false;
};

// An open userspace device. [control]
class OpenDevice : public std::enable_shared_from_this<OpenDevice> {
 public:
  // `keeper` keeps the plugin (its library and backend object) alive.
  OpenDevice(std::string backend, Device info, const espalier_userspace& table, void* handle,
             std::shared_ptr<void> keeper) noexcept;
  ~OpenDevice();
  OpenDevice(const OpenDevice&) = delete;
  OpenDevice& operator=(const OpenDevice&) = delete;

  const std::string& backend() const noexcept { return backend_; }
  const Device& info() const noexcept { return info_; }
  const espalier_userspace& table() const noexcept { return *table_; }
  void* handle() const noexcept { return handle_; }  // first argument of the table's functions

  // Errors carry the device's own words and its class of refusal.
  Result<Session> open_session(const SaSpec& sa, const SaKeys& keys);
  Result<std::unique_ptr<Queue>> open_queue();
  // Makes memory known to a device that needs DMA; gives the IOVA of its first byte, else 0.
  Result<std::uint64_t> attach(std::span<std::uint8_t> memory);
  void detach(std::span<std::uint8_t> memory) noexcept;

 private:
  std::string backend_;
  Device info_;
  const espalier_userspace* table_;
  void* handle_;
  std::shared_ptr<void> keeper_;
};

// An ABI status as the error of a call that did not succeed. One that the ABI does not know is
// ErrorCode::lost.
Error error_from(espalier_status status, std::string words);

}  // namespace espalier
