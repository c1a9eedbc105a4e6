// SPDX-License-Identifier: Apache-2.0
//
// The kernel's pcrypt: the packets of one SA on many CPUs, with any driver inside. It brings them
// back into order, but not always (a CPU that goes away, a full queue), so the framework gives
// inbound SAs there a replay window of 128 packets at least. Which CPUs it uses 'espalier tune'
// sets, for they are the same for all. Options:
//   inside = ["virtio_crypto_aes_cbc"]   drivers to spread; the kernel's own choice for the rest
//   proc_crypto, modules, release, cpus  for tests
#include <espalier/kernel_drivers.hpp>

#include <nlohmann/json.hpp>

#include <sys/utsname.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "faults.hpp"

namespace espalier::pcrypt {
namespace {

using sdk::KernelAlgorithm;
using sdk::KernelRecipe;
using sdk::Refusal;

struct Options {
  std::string proc_crypto = "/proc/crypto";
  std::string modules = "/lib/modules";
  std::string release;
  std::uint32_t cpus = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::string> inside;
};

Options read_options(std::string_view text) {
  Options options;
  utsname here{};
  if (::uname(&here) == 0) options.release = here.release;
  const auto table = nlohmann::json::parse(text, nullptr, false);
  if (!table.is_object()) throw Refusal{ESPALIER_INVALID, "its options are no JSON object"};
  const auto wrong = [](const std::string& key) {
    return Refusal{ESPALIER_INVALID,
                   "the backend pcrypt has one option, inside = [\"DRIVER\", ...]; this does not "
                   "fit: " +
                       key};
  };
  for (const auto& [key, value] : table.items()) {
    try {
      if (key == "inside")
        options.inside = value.get<std::vector<std::string>>();
      else if (key == "proc_crypto")
        options.proc_crypto = value.get<std::string>();
      else if (key == "modules")
        options.modules = value.get<std::string>();
      else if (key == "release")
        options.release = value.get<std::string>();
      else if (key == "cpus")
        options.cpus = value.get<std::uint32_t>();
      else
        throw wrong(key);
    } catch (const nlohmann::json::exception&) {
      throw wrong(key);
    }
  }
  return options;
}

// Loaded, a module that can be, or built in.
bool has_pcrypt(const Options& options) {
  std::error_code error;
  if (std::filesystem::exists("/sys/module/pcrypt", error) && options.modules == "/lib/modules")
    return true;
  const auto folder = std::filesystem::path(options.modules) / options.release;
  for (const char* list : {"modules.dep", "modules.builtin"}) {
    std::ifstream file(folder / list);
    for (std::string line; std::getline(file, line);)
      if (line.find("/pcrypt.ko") != std::string::npos) return true;
  }
  return false;
}

// One recipe a kind of SA: where sequence numbers make a difference to the name, one for each.
std::vector<KernelRecipe> recipes(const Options& options,
                                  const std::vector<KernelAlgorithm>& registered) {
  // Each CPU beside the first may gain as much again, at the best.
  const std::uint32_t score = std::min(1000U, 100 * options.cpus);
  std::vector<KernelRecipe> all;
  for (const std::string& name : options.inside)
    for (const KernelAlgorithm& driver : registered)
      if (driver.driver == name && driver.is_for_all())
        for (const auto& capability : sdk::esp_capabilities(driver.name, score))
          all.push_back({capability, "pcrypt(" + name + ")", "pcrypt"});
  // "aes", "chacha20" and so on: each is a part of some.
  std::vector<espalier_capability> rest;
  for (const char* part : {"aes", "rfc7539esp(chacha20,poly1305)", "cbc(des3_ede)"})
    for (const auto& capability : sdk::esp_capabilities(part, score)) rest.push_back(capability);
  for (const auto& capability : rest) {
    for (const bool esn : {false, true}) {
      auto one = capability;
      one.esn = esn ? 2 : 1;
      const auto is_done = [&](const KernelRecipe& each) {
        return each.capability.cipher == one.cipher && each.capability.integrity == one.integrity &&
               (each.capability.esn & one.esn) != 0;
      };
      if (std::any_of(all.begin(), all.end(), is_done)) continue;
      all.push_back(
          {one, "pcrypt(" + sdk::esp_name(one.cipher, one.integrity, esn) + ")", "pcrypt"});
    }
  }
  return all;
}

std::vector<sdk::KernelDevice> devices(const Options& options) {
  if (options.cpus < 2 || !has_pcrypt(options)) return {};
  auto registered = sdk::read_proc_crypto(options.proc_crypto);
  if (!registered) return {};  // no crypto in this kernel
  return {{"cpus", "the kernel's pcrypt over " + std::to_string(options.cpus) + " CPUs",
           recipes(options, *registered)}};
}

class Pcrypt final : public sdk::KernelDriverBackend {
 public:
  Pcrypt(const espalier_host* host, std::string_view options)
      : Pcrypt(*host, read_options(options)) {}

  // Of faults it warns whoever has an SA there.
  sdk::Result<espalier_recipe> recipe(uint64_t device, const espalier_sa& sa) override {
    auto answer = KernelDriverBackend::recipe(device, sa);
    if (answer && !faults_.empty() && !warned_.exchange(true))
      host_.log(host_.context, ESPALIER_LOG_WARNING, faults_.c_str());
    return answer;
  }

 private:
  Pcrypt(const espalier_host& host, const Options& options)
      : KernelDriverBackend(devices(options)), host_(host), faults_(faults_of(options.release)) {}

  const espalier_host& host_;
  const std::string faults_;
  std::atomic<bool> warned_ = false;
};

}  // namespace
}  // namespace espalier::pcrypt

ESPALIER_PLUGIN(espalier::pcrypt::Pcrypt, "name=pcrypt\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
