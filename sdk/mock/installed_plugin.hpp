// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>

#include <dlfcn.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace espalier::mock {

// The entry of a plugin file, such as the installed openssl.so, to stand behind a fake: with
// .inner(plugin_entry(file)) its packets are true ESP. Throws std::runtime_error where it cannot be
// loaded. For tests: it trusts the file, which stays loaded for the life of the process.
inline const espalier_plugin_entry& plugin_entry(const std::filesystem::path& file) {
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(::dlerror());
  const void* const symbol = ::dlsym(library, ESPALIER_PLUGIN_SYMBOL);
  if (symbol == nullptr)
    throw std::runtime_error("'" + file.string() + "' is no plugin: it has no symbol '" +
                             ESPALIER_PLUGIN_SYMBOL + "'");
  return *static_cast<const espalier_plugin_entry*>(symbol);
}

}  // namespace espalier::mock
