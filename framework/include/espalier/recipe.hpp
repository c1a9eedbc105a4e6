// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace espalier {

enum class Offload : std::uint8_t { none = 0, crypto = 1, packet = 2 };  // values of abi.h

// What a kernel backend wants the kernel to be asked for, for one SA: plain data, which the
// framework executes, reads back and undoes.
struct Recipe {
  Offload offload = Offload::none;
  std::string interface;  // that offloads; "" without offload
  std::string driver;     // crypto driver as in /proc/crypto; "": the kernel's own choice
  std::string module;     // that provides it, or ""

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

const char* to_string(Offload offload) noexcept;  // "crypto"

}  // namespace espalier
