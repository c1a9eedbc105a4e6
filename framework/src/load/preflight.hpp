// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <load/cpu.hpp>
#include <load/descriptor.hpp>
#include <load/manifest.hpp>

#include <filesystem>

namespace espalier::load {

// A plugin's file that may be trusted, as a sealed copy: what was checked is what gets loaded,
// whatever becomes of the file.
struct CheckedPlugin {
  Manifest manifest;
  Descriptor image;
};

// Opens the file (trusted_file.hpp), seals a copy of it, and reads the manifest of that copy.
Result<CheckedPlugin> preflight(const std::filesystem::path& path);

// That what the manifest asks for is here: this ABI, and the features of the CPU.
Result<void> check_needs(const Manifest& manifest, const CpuFeatures& cpu);

}  // namespace espalier::load
