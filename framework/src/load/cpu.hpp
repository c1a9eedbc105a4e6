// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <set>
#include <span>
#include <string>
#include <string_view>

namespace espalier::load {

// Features by the kernel's names ("aes", "pclmulqdq", "vaes", "avx512f"), which say what both the
// CPU has and the operating system has enabled.
using CpuFeatures = std::set<std::string, std::less<>>;

// Those that every CPU in a /proc/cpuinfo has.
CpuFeatures parse_cpuinfo(std::string_view text);
CpuFeatures this_cpu();

Result<void> check_cpu(std::span<const std::string> needed, const CpuFeatures& present);

}  // namespace espalier::load
