// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/result.hpp>
#include <load/descriptor.hpp>
#include <load/manifest.hpp>

namespace espalier::load {

// Loads a sealed plugin into this process and gives its entry, checked against its manifest.
//
// It stays for the life of the process, and so does its descriptor: a backend may have left threads
// or thread-local destructors behind, which unloading would turn into jumps into nowhere; and the
// loader of glibc tells libraries apart by name, so that a reused /proc/self/fd/N would silently
// give the first library again.
Result<const espalier_plugin_entry*> load_library(Descriptor image, const Manifest& manifest);

// That an entry is one of this ABI. For entries linked into the program too.
Result<void> check_entry(const espalier_plugin_entry& entry);

}  // namespace espalier::load
