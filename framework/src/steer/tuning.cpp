// SPDX-License-Identifier: Apache-2.0
#include "steer/tuning.hpp"

#include "steer/cpu_mask.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::steer {
namespace {

constexpr std::string_view kWithoutEsn = "/no-esn";
constexpr const char* kPcryptFolder = "/sys/kernel/pcrypt";
constexpr const char* kPresentCpus = "/sys/devices/system/cpu/present";

struct Module {
  std::string name;
  std::string why;
};

bool names_pcrypt(const Tuning& tuning) {
  return tuning.parallel_cpus || tuning.serial_cpus ||
         std::ranges::any_of(tuning.first, [](const FirstDriver& each) {
           return each.driver.find("pcrypt(") != std::string::npos;
         });
}

std::vector<Module> modules_for(const Tuning& tuning) {
  std::vector<Module> all{{"xfrm_user", "programs set up SAs by it"},
                          {"esp4", "ESP over IPv4"},
                          {"esp6", "ESP over IPv6"}};
  if (!tuning.first.empty())
    all.push_back({"crypto_user", "priorities of crypto drivers are set by it"});
  if (names_pcrypt(tuning)) all.push_back({"pcrypt", "it is to spread packets over CPUs"});
  return all;
}

// pcrypt takes CPUs that are not there, and works on none of them.
Result<void> check_present(const std::string& cpus, Kernel& kernel) {
  const auto present = kernel.setting(kPresentCpus);
  if (!present) return {};  // a kernel that does not say
  const auto beyond = cpus_beyond(cpus, *present);
  if (!beyond) return std::unexpected(beyond.error());
  if (beyond->empty()) return {};
  return fail(ErrorCode::invalid,
              fmt::format("this machine does not have CPU {}, of '{}': its CPUs are {}", *beyond,
                          cpus, *present));
}

Result<std::vector<Mask>> masks_for(const Tuning& tuning, Kernel& kernel) {
  std::vector<Mask> masks;
  for (const auto& [cpus, file] : {std::pair{tuning.parallel_cpus, "parallel_cpumask"},
                                   std::pair{tuning.serial_cpus, "serial_cpumask"}}) {
    if (!cpus) continue;
    const auto mask = mask_of_cpus(*cpus);
    if (!mask) return std::unexpected(mask.error());
    if (auto there = check_present(*cpus, kernel); !there) return std::unexpected(there.error());
    for (const char* way : {"pencrypt", "pdecrypt"})
      masks.push_back({std::filesystem::path(kPcryptFolder) / way / file, *mask});
  }
  return masks;
}

// The driver that whoever asks for the name gets now; "" where the kernel would make one.
std::string first_of(std::string_view name, const std::vector<Algorithm>& registered) {
  const Algorithm* best = nullptr;
  for (const Algorithm& each : registered)
    if (each.name == name && each.is_for_all() &&
        (best == nullptr || each.priority > best->priority))
      best = &each;
  return best == nullptr ? "" : best->driver;
}

TuningItem first_item(const FirstDriver& first, const std::vector<Algorithm>& registered) {
  const std::string name = esp_algorithm(first.transform, first.esn);
  const auto binding = choose_driver(first.transform, first.esn, first.driver, registered);
  return {name, first_of(name, registered), binding ? binding->driver : first.driver,
          binding ? fmt::format("SAs of {} are to get it", to_string(first.transform))
                  : binding.error().message};
}

}  // namespace

Result<FirstDriver> parse_first_driver(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == text.npos || equals + 1 == text.size())
    return fail(
        ErrorCode::invalid,
        fmt::format("'{}' is not TRANSFORM=DRIVER, as 'aes128gcm16=pcrypt(rfc4106(gcm(aes)))'",
                    text));
  std::string_view name = text.substr(0, equals);
  const bool esn = !name.ends_with(kWithoutEsn);
  if (!esn) name.remove_suffix(kWithoutEsn.size());
  const auto transform = find_transform(name);
  if (!transform) return std::unexpected(transform.error());
  return FirstDriver{(*transform)->transform, esn, std::string(text.substr(equals + 1))};
}

Result<std::vector<TuningItem>> compare(const Tuning& tuning, Kernel& kernel) {
  std::vector<TuningItem> items;
  for (const Module& each : modules_for(tuning))
    items.push_back(
        {"module " + each.name, kernel.has_module(each.name) ? "loaded" : "", "loaded", each.why});
  const auto registered = kernel.registered();
  if (!registered) return std::unexpected(registered.error());
  for (const FirstDriver& each : tuning.first) items.push_back(first_item(each, *registered));
  const auto masks = masks_for(tuning, kernel);
  if (!masks) return std::unexpected(masks.error());
  for (const Mask& each : *masks) {
    const auto now = kernel.setting(each.file);
    const bool same = now && same_mask(*now, each.value);
    items.push_back({each.file.string(), now.value_or(""), same ? *now : each.value,
                     fmt::format("CPUs {}", *cpus_of_mask(each.value))});
  }
  return items;
}

Result<void> apply(const Tuning& tuning, Kernel& kernel, Steering& steering) {
  const auto masks = masks_for(tuning, kernel);
  if (!masks) return std::unexpected(masks.error());
  for (const Module& each : modules_for(tuning))
    if (!kernel.has_module(each.name))
      if (auto loaded = kernel.load_module(each.name); !loaded) return loaded;
  for (const FirstDriver& each : tuning.first) {
    const auto binding = steering.choose(each.transform, each.esn, each.driver, "");
    if (!binding) return std::unexpected(binding.error());
    if (auto held = steering.hold(*binding); !held) return held;
  }
  return steering.set_masks(*masks);
}

}  // namespace espalier::steer
