// SPDX-License-Identifier: Apache-2.0
//
// What the tests of selection are made of: an SA, a device that can take it, a file.
#pragma once

#include <espalier/abi.h>
#include <espalier/decision.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace espalier::test {

inline Transform transform(std::string_view name) { return (*find_transform(name))->transform; }

// Inbound AES-256-GCM in a UDP tunnel over IPv4, with ESN and a window of 1024.
inline SaSpec an_sa() {
  SaSpec sa;
  sa.name = "golden/in";
  sa.direction = Direction::inbound;
  sa.spi = 0x1001;
  sa.transform = transform("aes256gcm16");
  sa.local = {*IpAddress::parse("192.0.2.1"), 4500};
  sa.peer = {*IpAddress::parse("192.0.2.2"), 4500};
  sa.interface = "eth0";
  sa.selectors = {{*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("10.0.0.0/8")}};
  return sa;
}

// Everything that there is of AES-GCM.
inline Capability all_gcm(std::uint32_t score = 200) {
  return {.cipher = Cipher::aes_gcm,
          .integrity = Integrity::none,
          .key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256,
          .icv_bytes = ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16),
          .directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND,
          .modes = ESPALIER_TUNNEL | ESPALIER_TRANSPORT,
          .encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP,
          .families = ESPALIER_IPV4 | ESPALIER_IPV6,
          .esn = 3,
          .max_replay_window = 0,
          .max_length = 0,
          .score = score};
}

inline Device a_device(std::string name, std::uint32_t score = 200) {
  Device device;
  device.name = std::move(name);
  device.capabilities = {all_gcm(score)};
  return device;
}

inline BackendInfo a_backend(std::string name, std::vector<Device> devices) {
  BackendInfo backend;
  backend.name = std::move(name);
  backend.devices = std::move(devices);
  return backend;
}

inline Policy a_policy(std::vector<std::string> backends, Fallback fallback = Fallback::fail) {
  Policy policy;
  policy.backends = std::move(backends);
  policy.fallback = fallback;
  return policy;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline Inventory read_inventory(const std::filesystem::path& path) {
  auto inventory = inventory_from_json(read_text(path));
  if (!inventory) ADD_FAILURE() << path << ": " << inventory.error().message;
  return inventory ? *inventory : Inventory{};
}

// "aesni/cpu chosen, openssl/cpu not_needed"
inline std::string summary(const Decision& decision) {
  std::string text;
  for (const Candidate& candidate : decision.candidates) {
    if (!text.empty()) text += ", ";
    text += candidate.backend + "/" + candidate.device + " ";
    text += to_string(candidate.reason);
  }
  return text;
}

}  // namespace espalier::test
