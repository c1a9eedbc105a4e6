// SPDX-License-Identifier: Apache-2.0
//
// Any crypto driver that the kernel has registered, by its name in /proc/crypto: virtio_crypto,
// caam, talitos, safexcel, ccp, octeontx and whatever comes. Each that is named is a device of its
// own, with all of ESP of which it does the whole or a part. Options:
//   drivers = ["virtio_crypto_aes_cbc"]    there is no device without
//   proc_crypto = "/proc/crypto"           for tests
#include <espalier/kernel_drivers.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace espalier::kernel_crypto {
namespace {

using sdk::KernelAlgorithm;
using sdk::KernelDevice;
using sdk::Refusal;

struct Options {
  std::string proc_crypto = "/proc/crypto";
  std::vector<std::string> drivers;
};

Options read_options(std::string_view text) {
  try {
    Options options;
    const auto table = nlohmann::json::parse(text);
    if (!table.is_object()) throw Refusal{ESPALIER_INVALID, "its options are no JSON object"};
    for (const auto& [key, value] : table.items()) {
      if (key == "proc_crypto")
        options.proc_crypto = value.get<std::string>();
      else if (key == "drivers")
        options.drivers = value.get<std::vector<std::string>>();
      else
        throw Refusal{ESPALIER_INVALID, "the backend kernel_crypto has no option " + key};
    }
    return options;
  } catch (const nlohmann::json::exception&) {
    throw Refusal{ESPALIER_INVALID,
                  "the backend kernel_crypto has one option, drivers = [\"NAME\", ...]"};
  }
}

// The kernel's own order is the best that is known of their speed.
std::uint32_t score_of(const KernelAlgorithm& driver) {
  return std::clamp(driver.priority, 1U, 1000U);
}

void tell(const espalier_host* host, const std::string& sentence) {
  host->log(host->context, ESPALIER_LOG_WARNING, sentence.c_str());
}

std::vector<KernelDevice> devices(const espalier_host* host, std::string_view text) {
  const Options options = read_options(text);
  if (options.drivers.empty()) return {};
  auto registered = sdk::read_proc_crypto(options.proc_crypto);
  if (!registered) throw registered.refusal();
  std::vector<KernelDevice> all;
  for (const std::string& name : options.drivers) {
    const auto is_it = [&](const KernelAlgorithm& each) {
      return each.driver == name && each.is_for_all();
    };
    const auto driver = std::find_if((*registered).begin(), (*registered).end(), is_it);
    if (driver == (*registered).end())
      tell(host, "the kernel has no crypto driver " + name +
                     " yet: its module may have to be loaded (/proc/crypto lists what there is)");
    else if (KernelDevice device = sdk::device_of(*driver, score_of(*driver));
             device.recipes.empty())
      tell(host, "the kernel's crypto driver " + name + " does " + driver->name +
                     ", which is no part of ESP");
    else if (std::none_of(all.begin(), all.end(),
                          [&](const KernelDevice& each) { return each.name == name; }))
      all.push_back(std::move(device));
  }
  return all;
}

class KernelCrypto final : public sdk::KernelDriverBackend {
 public:
  KernelCrypto(const espalier_host* host, std::string_view options)
      : KernelDriverBackend(devices(host, options)) {}
};

}  // namespace
}  // namespace espalier::kernel_crypto

ESPALIER_PLUGIN(espalier::kernel_crypto::KernelCrypto,
                "name=kernel_crypto\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
