// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <load/cpu.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

namespace espalier::load {

CpuFeatures parse_cpuinfo(std::string_view text) {
  std::optional<CpuFeatures> common;
  std::string last;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    // "flags" on x86, "Features" on ARM. Most CPUs repeat the line of the one before.
    const auto colon = line.find(':');
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    if (line == last || colon == std::string::npos) continue;
    last = line;
    std::istringstream words(line.substr(colon + 1));
    CpuFeatures features{std::istream_iterator<std::string>(words), {}};
    if (common)
      std::erase_if(*common, [&](const std::string& name) { return !features.contains(name); });
    else
      common = std::move(features);
  }
  return common.value_or(CpuFeatures{});
}

CpuFeatures this_cpu() {
  std::ifstream file("/proc/cpuinfo");
  return parse_cpuinfo(std::string(std::istreambuf_iterator<char>(file), {}));
}

Result<void> check_cpu(std::span<const std::string> needed, const CpuFeatures& present) {
  std::vector<std::string> missing;
  std::ranges::copy_if(needed, std::back_inserter(missing),
                       [&](const std::string& name) { return !present.contains(name); });
  if (missing.empty()) return {};
  return fail(
      ErrorCode::unsupported,
      fmt::format("it needs CPU features that this machine has not: {}", fmt::join(missing, ", ")));
}

}  // namespace espalier::load
