// SPDX-License-Identifier: Apache-2.0
#include "drivers.hpp"

#include <espalier/plugin.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace espalier::nic_offload {
namespace {

constexpr std::uint32_t kScore = 500;  // the CPU is relieved, which says more than the speed
constexpr std::uint32_t kBothWays = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
constexpr std::uint32_t kBothModes = ESPALIER_TUNNEL | ESPALIER_TRANSPORT;
constexpr std::uint32_t kAes128 = ESPALIER_KEY_128;
constexpr std::uint32_t kAes128And256 = ESPALIER_KEY_128 | ESPALIER_KEY_256;
constexpr std::uint32_t kAes = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
constexpr std::uint32_t kNoEsn = 1, kAnyEsn = 3;

// What a driver takes beside the algorithms; none takes ESP in UDP in crypto offload.
struct Shape {
  std::uint32_t directions = kBothWays;
  std::uint32_t modes = kBothModes;
  std::uint32_t esn = kNoEsn;
};

espalier_capability capability(std::uint16_t cipher, std::uint16_t integrity, std::uint32_t keys,
                               std::uint32_t icvs, const Shape& shape) {
  auto c = sdk::sized<espalier_capability>();
  c.cipher = cipher;
  c.integrity = integrity;
  c.key_bits = keys;
  c.icv_bytes = icvs;
  c.directions = shape.directions;
  c.modes = shape.modes;
  c.encapsulations = ESPALIER_ENCAP_NONE;
  c.families = ESPALIER_IPV4 | ESPALIER_IPV6;
  c.esn = shape.esn;
  c.score = kScore;
  return c;
}

espalier_capability gcm(std::uint32_t keys, std::uint32_t icvs, const Shape& shape) {
  return capability(ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, keys, icvs, shape);
}

espalier_pool pool(std::string_view name, std::uint32_t directions, std::uint64_t sas) {
  auto p = sdk::sized<espalier_pool>();
  p.kind = ESPALIER_POOL_SAS;
  p.directions = directions;
  p.use = ESPALIER_USE_COUNTED;
  p.capacity = sas;
  sdk::copy_text(p.name, name);
  return p;
}

// Everything but ChaCha20, which only the NFP3800 has, and that one lacks 3DES and MD5 instead.
std::vector<espalier_capability> of_nfp() {
  struct Hash {
    std::uint16_t integrity;
    std::uint32_t icv;
  };
  constexpr std::array hashes = {Hash{ESPALIER_INTEGRITY_HMAC_SHA1, ESPALIER_ICV(12)},
                                 Hash{ESPALIER_INTEGRITY_HMAC_SHA256, ESPALIER_ICV(16)},
                                 Hash{ESPALIER_INTEGRITY_HMAC_SHA384, ESPALIER_ICV(24)},
                                 Hash{ESPALIER_INTEGRITY_HMAC_SHA512, ESPALIER_ICV(32)}};
  std::vector<espalier_capability> all = {
      gcm(kAes, ESPALIER_ICV(16), {}),
      capability(ESPALIER_CIPHER_AES_GMAC, ESPALIER_INTEGRITY_NONE, kAes, ESPALIER_ICV(16), {})};
  for (const Hash& hash : hashes)
    all.push_back(capability(ESPALIER_CIPHER_AES_CBC, hash.integrity, kAes, hash.icv, {}));
  return all;
}

// The order of a table that is looked through by name; the last stands for all others.
const std::vector<Driver>& table() {
  constexpr std::uint32_t icv16 = ESPALIER_ICV(16);
  static const std::vector<Driver> drivers = {
      {"mlx5_core",
       "NVIDIA ConnectX, BlueField",
       {gcm(kAes128And256, icv16, {.esn = kAnyEsn})},
       {}},
      {"ixgbe",
       "Intel 82599, X540, X550",
       {gcm(kAes128, icv16, {.modes = ESPALIER_TRANSPORT})},
       {pool("rx", ESPALIER_INBOUND, 1024), pool("tx", ESPALIER_OUTBOUND, 1024)}},
      {"ixgbevf",
       "Intel 82599, X540, X550, virtual function",
       {gcm(kAes128, icv16, {.modes = ESPALIER_TRANSPORT})},
       {}},
      {"cxgb4", "Chelsio T6", {gcm(kAes128And256, ESPALIER_ICV(12) | icv16, {.esn = kAnyEsn})}, {}},
      {"nfp", "Netronome, Corigine", of_nfp(), {pool("table", kBothWays, 16384)}},
      {"rvu-nicpf", "Marvell OCTEON 10", {gcm(kAes, icv16, {.directions = ESPALIER_OUTBOUND})}, {}},
      {"netdevsim", "simulated", {gcm(kAes, icv16, {})}, {pool("table", kBothWays, 33)}},
      {"", "a driver that Espalier does not know", {gcm(kAes128, icv16, {})}, {}},
  };
  return drivers;
}

std::uint32_t key_bit(const espalier_sa& sa) noexcept {
  switch (sa.key_bits) {
    case 128:
      return ESPALIER_KEY_128;
    case 192:
      return ESPALIER_KEY_192;
    case 256:
      return ESPALIER_KEY_256;
    default:
      return 0;
  }
}

}  // namespace

const Driver& driver(std::string_view name) {
  const auto& all = table();
  const auto found = std::ranges::find(all, name, &Driver::name);
  return found == all.end() ? all.back() : *found;
}

bool takes(const Driver& driver, const espalier_sa& sa) noexcept {
  return std::ranges::any_of(driver.capabilities, [&](const espalier_capability& c) {
    return c.cipher == sa.cipher && c.integrity == sa.integrity &&
           (c.key_bits & key_bit(sa)) != 0 && (c.icv_bytes & ESPALIER_ICV(sa.icv_bytes)) != 0 &&
           (c.directions & sa.direction) != 0 && (c.modes & sa.mode) != 0 &&
           (c.encapsulations & sa.encapsulation) != 0 && (c.families & sa.family) != 0 &&
           (c.esn & (sa.esn != 0 ? 2U : 1U)) != 0;
  });
}

}  // namespace espalier::nic_offload
