// SPDX-License-Identifier: Apache-2.0
//
// VIA PadLock through the kernel's drivers (padlock-aes.c, padlock-sha.c): AES-CBC in the
// processor, with its own SHA-1 and SHA-256 where they are loaded; no AES-GCM and no AES-CTR.
// Option:
//   proc_crypto = "/proc/crypto"    for tests
#include <espalier/kernel_drivers.hpp>

#include <string_view>
#include <vector>

#include "../options/proc_crypto.hpp"

namespace espalier::padlock {
namespace {

constexpr const char* kCipher = "cbc-aes-padlock";
constexpr std::uint32_t kScore = 450;  // as in the sample inventory: with PadLock's own hash
constexpr std::uint32_t kScoreWithoutHash = 150;  // the hash takes most of the time

bool is_hashed_by(std::uint16_t integrity, std::string_view name) {
  return (integrity == ESPALIER_INTEGRITY_HMAC_SHA1 && name == "sha1") ||
         (integrity == ESPALIER_INTEGRITY_HMAC_SHA256 && name == "sha256");
}

std::vector<sdk::KernelDevice> devices(std::string_view options) {
  auto registered = sdk::read_proc_crypto(proc_crypto_option(options, "padlock"));
  if (!registered) return {};  // no crypto in this kernel
  for (const auto& driver : *registered) {
    if (driver.driver != kCipher || !driver.is_for_all()) continue;
    sdk::KernelDevice cpu = sdk::device_of(driver, kScoreWithoutHash);
    cpu.name = "kernel";
    cpu.description = "VIA PadLock, by the kernel's driver";
    for (auto& recipe : cpu.recipes)
      for (const auto& hash : *registered)
        if (hash.driver.find("-padlock") != std::string::npos && hash.is_for_all() &&
            is_hashed_by(recipe.capability.integrity, hash.name))
          recipe.capability.score = kScore;
    return {cpu};
  }
  return {};
}

class PadLock final : public sdk::KernelDriverBackend {
 public:
  PadLock(const espalier_host*, std::string_view options) : KernelDriverBackend(devices(options)) {}
};

}  // namespace
}  // namespace espalier::padlock

ESPALIER_PLUGIN(espalier::padlock::PadLock, "name=padlock\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
