// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/kernel_crypto.hpp>

#include <algorithm>
#include <span>
#include <string_view>

namespace espalier::steer {

using Algorithm = sdk::KernelAlgorithm;
using sdk::parse_proc_crypto;

// The one of this driver, or nullptr.
inline const Algorithm* find_driver(std::span<const Algorithm> algorithms,
                                    std::string_view driver) noexcept {
  const auto found = std::ranges::find(algorithms, driver, &Algorithm::driver);
  return found == algorithms.end() ? nullptr : &*found;
}

}  // namespace espalier::steer
