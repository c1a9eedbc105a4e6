// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <vector>

#include "manager.hpp"

namespace espalier::aesni {

// What the CPU can on this path, and how much faster than OpenSSL.
std::vector<espalier_capability> capabilities(Path path);

}  // namespace espalier::aesni
