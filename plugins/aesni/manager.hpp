// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <intel-ipsec-mb.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace espalier::aesni {

// A family of code paths of intel-ipsec-mb. Within one, the library itself picks by finer features
// (VAES, GFNI, SHA-NI).
enum class Path : std::uint8_t { sse, avx2, avx512 };

// The code paths of a device, chosen once by what the CPU can.
//
// With AVX-512 one path is best for everything. Without it HMAC-SHA-256 has a path of its own:
// SHA-NI (SSE) is twice as fast as eight AVX2 lanes, while AES, SHA-1 and SHA-512 are faster with
// AVX2 (measured on Zen 3 with ipsec-mb 1.3).
struct Paths {
  Path main = Path::sse;
  Path sha256 = Path::sse;
  std::string description;  // "AES-NI, VAES, AVX-512 (intel-ipsec-mb 1.3.0)"
};

// `wanted`: "auto", "sse", "avx2" or "avx512". Refused with a sentence where the CPU or the library
// does not have it.
sdk::Result<Paths> choose_paths(std::string_view wanted);

struct WipeAndFree {
  void operator()(IMB_MGR* manager) const noexcept;
};

// A multi-buffer manager: tables of functions, and lanes. It refers to keys while it works, so its
// memory is wiped when it goes. Used by one thread at a time.
using Manager = std::unique_ptr<IMB_MGR, WipeAndFree>;

// Runs the library's self-test of that path.
sdk::Result<Manager> make_manager(Path path);

}  // namespace espalier::aesni
