// SPDX-License-Identifier: Apache-2.0
//
// Intel QuickAssist through the kernel's driver (qat_algs.c): AES-CBC with HMAC in one, without
// extended sequence numbers, and no AES-GCM. Its priority is 100 today, below every other driver,
// so the kernel never chooses it by itself: the recipe says that it is meant. Option:
//   proc_crypto = "/proc/crypto"    for tests
#include <espalier/kernel_drivers.hpp>

#include <string_view>
#include <vector>

#include "../options/proc_crypto.hpp"

namespace espalier::quickassist {
namespace {

// As in the sample inventory configs/inventories/qat-c62x.json; not measured.
constexpr std::uint32_t kScore = 350;

// One device: the kernel spreads sessions over the cards that it has (qat_crypto.c).
std::vector<sdk::KernelDevice> devices(std::string_view options) {
  auto registered = sdk::read_proc_crypto(proc_crypto_option(options, "quickassist"));
  if (!registered) return {};  // no crypto in this kernel
  sdk::KernelDevice card{"kernel", "Intel QuickAssist, by the kernel's driver", {}};
  for (const auto& driver : *registered) {
    if (driver.driver.rfind("qat_", 0) != 0 || driver.type != "aead" || !driver.is_for_all())
      continue;
    for (auto& recipe : sdk::device_of(driver, kScore).recipes)
      card.recipes.push_back(std::move(recipe));
  }
  if (card.recipes.empty()) return {};
  return {card};
}

class QuickAssist final : public sdk::KernelDriverBackend {
 public:
  QuickAssist(const espalier_host*, std::string_view options)
      : KernelDriverBackend(devices(options)) {}
};

}  // namespace
}  // namespace espalier::quickassist

ESPALIER_PLUGIN(espalier::quickassist::QuickAssist,
                "name=quickassist\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
