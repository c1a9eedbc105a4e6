// SPDX-License-Identifier: Apache-2.0
#include "io/reverse_path.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <system_error>

namespace espalier::io {
namespace {

int setting_of(const std::filesystem::path& interface) {
  int value = 0;
  std::ifstream(interface / "rp_filter") >> value;
  return value;
}

}  // namespace

// The kernel takes the higher of an interface's own setting and that of "all"; 2 is loose.
std::vector<std::string> strict_reverse_path(const std::filesystem::path& settings,
                                             const std::string& tun) {
  const int all = setting_of(settings / "all");
  std::vector<std::string> strict;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(settings, none)) {
    const std::string name = entry.path().filename();
    if (name == "all" || name == "default" || name == "lo" || name == tun) continue;
    if (std::max(all, setting_of(entry.path())) == 1) strict.push_back(name);
  }
  std::ranges::sort(strict);
  return strict;
}

std::string strict_words(const std::vector<std::string>& interfaces) {
  return fmt::format(
      "Strict reverse path filtering may drop the tunnels' own packets where they arrive, since "
      "the way back to their peers is the TUN device. Make it loose on the interface that they "
      "come by: 'sysctl -w net.ipv4.conf.{}.rp_filter=2' (strict are: {}).",
      interfaces.front(), fmt::join(interfaces, ", "));
}

}  // namespace espalier::io
