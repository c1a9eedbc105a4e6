// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <load/cpu.hpp>
#include <load/descriptor.hpp>
#include <load/manifest.hpp>

#include <filesystem>

namespace espalier::load {

// A plugin that has passed every check that needs none of its code to run, as a sealed copy: what
// was checked is what gets loaded, whatever becomes of the file.
struct CheckedPlugin {
  Manifest manifest;
  Descriptor image;
};

// Opens the file (trusted_file.hpp), seals a copy of it, and checks in that copy: the manifest, the
// exported symbol, the ABI, the CPU features.
Result<CheckedPlugin> preflight(const std::filesystem::path& path, const CpuFeatures& cpu);

}  // namespace espalier::load
