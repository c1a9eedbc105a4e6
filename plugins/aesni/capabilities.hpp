// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <cstdint>
#include <vector>

#include "manager.hpp"

namespace espalier::aesni {

// Whether this path is faster than OpenSSL at it; what is not is left to the openssl backend. The
// values are those of abi.h.
bool does(Path path, std::uint16_t cipher, std::uint16_t integrity) noexcept;

// What the CPU can on this path, and how much faster than OpenSSL.
std::vector<espalier_capability> capabilities(Path path);

}  // namespace espalier::aesni
