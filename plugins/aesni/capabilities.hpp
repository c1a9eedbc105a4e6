// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <vector>

#include "manager.hpp"

namespace espalier::aesni {

// Whether ipsec-mb has lanes for 3DES there. Elsewhere its 3DES is plain C, slower than OpenSSL's.
inline bool does_3des(Path path) noexcept { return path == Path::avx512; }

// What the CPU can on this path, and how much faster than OpenSSL.
std::vector<espalier_capability> capabilities(Path path);

}  // namespace espalier::aesni
