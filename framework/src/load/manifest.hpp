// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::load {

// What a plugin says of itself before any of its code runs: lines `key=value` in the section
// ESPALIER_MANIFEST_SECTION. Unknown keys are passed over: later versions may add some.
struct Manifest {
  std::uint16_t abi_major = 0;
  std::uint16_t abi_minor = 0;
  std::string name;  // a to z, 0 to 9, _ and -; at most 32: what policies call the backend
  std::string vendor;
  std::string version;
  std::vector<std::string> cpu;  // features needed, as /proc/cpuinfo names them

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

Result<Manifest> parse_manifest(std::string_view text);

// The manifest of a shared object, given as its bytes, which may be anything. Also checks that one
// of this ABI exports ESPALIER_PLUGIN_SYMBOL. Pure.
Result<Manifest> read_manifest(std::span<const std::uint8_t> file);

// That this program can speak the plugin's ABI.
Result<void> check_abi(const Manifest& manifest);

}  // namespace espalier::load
