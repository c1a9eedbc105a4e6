// SPDX-License-Identifier: Apache-2.0
//
// A backend under test, driven through its C table alone, as the framework does. What goes wrong
// ends the case at the requirement that it breaks.
#pragma once

#include <espalier/abi.h>
#include <espalier/extensions.h>
#include <conform/run.hpp>
#include <conform/watched_table.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier::conform {

// What the host gives, watched: secret memory that is given back, and events. To a backend that
// decorates another it gives the oracle, under the name of openssl. Thread-safe.
class Host {
 public:
  explicit Host(const espalier_plugin_entry& oracle);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const espalier_host* table() const noexcept { return &table_; }
  std::size_t secrets_held() const noexcept { return secrets_; }
  std::size_t secrets_given() const noexcept { return given_; }
  void exhaust_secrets(bool exhausted) noexcept { exhausted_ = exhausted; }

 private:
  espalier_host table_{};
  const espalier_plugin_entry& oracle_;
  espalier_host_plugins plugins_{};
  std::atomic<std::size_t> secrets_{0};
  std::atomic<std::size_t> given_{0};
  std::atomic<bool> exhausted_{false};
};

// A backend that has been negotiated with. Closed when destroyed. [control]
class Backend {
 public:
  Backend(Run& run, const espalier_plugin_entry& entry, const std::string& options,
          Req broken = Req::described);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  Host& host() noexcept { return host_; }
  const WatchedBackend& table() const noexcept { return *watched_; }
  std::vector<Device> devices();           // believed, or the case ends
  Device device(const std::string& name);  // the case ends where there is none

 private:
  Run& run_;
  Host host_;
  const espalier_backend* table_ = nullptr;
  std::optional<WatchedBackend> watched_;  // the same
};

// An open userspace device. Sessions are closed by hand. [control]
class OpenedDevice {
 public:
  OpenedDevice(Run& run, Backend& backend, Device info, Req broken = Req::opens);
  ~OpenedDevice();
  OpenedDevice(const OpenedDevice&) = delete;
  OpenedDevice& operator=(const OpenedDevice&) = delete;

  struct Answer {
    espalier_status status = ESPALIER_OK;
    std::uint64_t session = 0;
    std::string words;
  };
  Answer try_open(const Sa& sa, std::uint32_t direction);
  Answer try_open(const espalier_session_params& params);
  // The case ends where it is refused: at `full` for want of room, else at `broken`.
  std::uint64_t open(const Sa& sa, std::uint32_t direction, Req broken = Req::declared,
                     Req full = Req::slots);
  void close(std::uint64_t session);

  Run& run() noexcept { return run_; }
  const Device& info() const noexcept { return info_; }
  const WatchedUserspace& table() const noexcept { return *table_; }
  void* handle() const noexcept { return handle_; }
  // Of the longest packet that it declares for these directions, in whole blocks; 0 where none is
  // that short.
  std::uint32_t longest_payload(const Sa& sa, std::uint32_t directions) const;
  bool does(const TransformInfo& transform, std::uint32_t direction, bool esn) const;
  // The capabilities of that name; every one where it is "".
  std::vector<Capability> capabilities(const std::string& name) const;
  // Every variant that these declare in both directions, or in one.
  std::vector<Sa> sas(Random& random, const std::string& capability) const;

 private:
  Run& run_;
  Device info_;
  const WatchedUserspace* table_;
  void* handle_ = nullptr;
};

// Why a device cannot take this many sessions and queues: 0 is no limit known.
std::uint64_t capacity_of(const Device& device, PoolKind kind, std::uint32_t direction);

std::string status_name(espalier_status status);
std::string op_status_name(std::uint16_t status);

}  // namespace espalier::conform
