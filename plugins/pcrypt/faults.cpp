// SPDX-License-Identifier: Apache-2.0
#include "faults.hpp"

#include <charconv>
#include <utility>

namespace espalier::pcrypt {
namespace {

using Series = std::pair<int, int>;

struct Fault {
  Series fixed_in;
  const char* what;
};

// Of kernel/padata.c and crypto/pcrypt.c, in the mainline kernel.
constexpr Fault kFaults[] = {
    {{6, 12}, "CVE-2024-47739 (stops after 2^32 packets)"},
    {{6, 13}, "CVE-2024-56690 (drops packets while a CPU comes or goes)"},
    {{6, 14}, "CVE-2025-21727 (use after free as an SA goes)"},
};

// The first two numbers; those of a text without are as low as can be.
Series series_of(std::string_view release) {
  Series series{};
  const char* const end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, series.first);
  if (major.ptr != end && *major.ptr == '.') std::from_chars(major.ptr + 1, end, series.second);
  return series;
}

}  // namespace

std::string faults_of(std::string_view release) {
  std::string faults;
  for (const Fault& fault : kFaults)
    if (series_of(release) < fault.fixed_in)
      faults += (faults.empty() ? "" : ", ") + std::string(fault.what);
  if (faults.empty()) return "";
  return "pcrypt of kernel " + std::string(release) +
         " has known faults, unless its maker has put the fixes in: " + faults;
}

}  // namespace espalier::pcrypt
