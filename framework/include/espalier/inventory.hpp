// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// What one device can do with one cipher and integrity. Bit sets as in abi.h.
struct Capability {
  Cipher cipher = Cipher::aes_gcm;
  Integrity integrity = Integrity::none;
  std::uint32_t key_bits = 0;   // ESPALIER_KEY_*
  std::uint32_t icv_bytes = 0;  // ESPALIER_ICV()
  std::uint32_t directions = 0;
  std::uint32_t modes = 0;
  std::uint32_t encapsulations = 0;
  std::uint32_t families = 0;
  std::uint32_t esn = 0;                // 1: 32-bit numbers, 2: extended, 3: both
  std::uint32_t max_replay_window = 0;  // 0: no limit
  std::uint32_t max_length = 0;         // bytes of an ESP packet, 0: no limit
  std::uint32_t score = 0;              // relative speed, 100: OpenSSL's

  friend bool operator==(const Capability&, const Capability&) = default;
};

enum class PoolKind : std::uint8_t { sas = 1, queues = 2, mbps = 3 };
enum class PoolUse : std::uint8_t { live = 1, counted = 2, unknown = 3 };
inline constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// A limit of a device, shared by the directions that it names.
struct CapacityPool {
  std::string name;
  PoolKind kind = PoolKind::sas;
  std::uint32_t directions = 3;
  PoolUse use = PoolUse::counted;
  std::uint64_t capacity = kUnlimited;
  std::uint64_t used = 0;

  friend bool operator==(const CapacityPool&, const CapacityPool&) = default;
};

enum class DeviceState : std::uint8_t { up = 1, down = 2, degraded = 3, lost = 4, quarantined = 5 };

struct Device {
  std::string name;
  std::string description;
  std::uint64_t id = 0;
  Dataplane dataplane = Dataplane::userspace;
  bool asynchronous = false;
  bool needs_dma = false;
  std::int32_t numa_node = -1;
  std::string interface;  // of a kernel device, or ""
  DeviceState state = DeviceState::up;
  std::string state_reason;       // for a person, or ""
  std::uint64_t retry_in_ms = 0;  // quarantined: until it is probed again
  std::vector<Capability> capabilities;
  std::vector<CapacityPool> pools;

  friend bool operator==(const Device&, const Device&) = default;
};

// A backend as the probe found it. `rejected` is why it may not be used, or "".
struct BackendInfo {
  std::string name;
  std::string vendor;
  std::string version;
  std::string path;  // of the plugin, or "built in"
  std::string rejected;
  std::vector<Device> devices;

  friend bool operator==(const BackendInfo&, const BackendInfo&) = default;
};

// An answer that a device gave to an earlier request and that still stands..
struct Refusal {
  std::string backend;
  std::string device;
  std::string sa;  // SA name, or "" for every SA
  ErrorCode code = ErrorCode::transient;
  std::string words;  // the device's own

  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// Live SAs of one backend on this gateway, for policy limits.
struct BackendLoad {
  std::string backend;
  std::uint64_t sas = 0;

  friend bool operator==(const BackendLoad&, const BackendLoad&) = default;
};

// A snapshot of everything that selection may look at; plain data, saved and read back as JSON.
struct Inventory {
  Dataplane dataplane = Dataplane::userspace;
  std::vector<BackendInfo> backends;
  std::vector<Refusal> refusals;
  std::vector<BackendLoad> load;

  friend bool operator==(const Inventory&, const Inventory&) = default;
};

// The saved form: `espalier probe --json`, `espalier plan --inventory FILE`. Versioned.
std::string to_json(const Inventory& inventory);
Result<Inventory> inventory_from_json(std::string_view text);

const char* to_string(DeviceState state) noexcept;
const char* to_string(PoolKind kind) noexcept;
const char* to_string(PoolUse use) noexcept;

}  // namespace espalier
