// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fmt/format.h>
#include <boost/dll/shared_library.hpp>
#include <load/library.hpp>

#include <exception>
#include <string>
#include <string_view>

namespace espalier::load {
namespace {

// The loader's own words out of what Boost wraps around them.
std::string loader_words(std::string_view what, std::string_view path) {
  constexpr std::string_view kBefore = "(dlerror system message: ";
  if (const auto start = what.find(kBefore); start != std::string_view::npos) {
    what.remove_prefix(start + kBefore.size());
    what = what.substr(0, what.rfind(')'));
  }
  if (what.starts_with(path)) what.remove_prefix(path.size());
  if (what.starts_with(": ")) what.remove_prefix(2);
  return std::string(what);
}

}  // namespace

Result<void> check_entry(const espalier_plugin_entry& entry) {
  if (entry.magic != ESPALIER_ABI_MAGIC)
    return fail(ErrorCode::invalid,
                fmt::format("its entry begins with {:#010x} instead of {:#010x}: it was not made "
                            "with the SDK",
                            entry.magic, ESPALIER_ABI_MAGIC));
  Manifest said;
  said.abi_major = entry.abi_major;
  said.abi_minor = entry.abi_minor;
  if (auto abi = check_abi(said); !abi) return abi;
  if (entry.negotiate == nullptr)
    return fail(ErrorCode::invalid, "its entry has no negotiate function");
  return {};
}

Result<const espalier_plugin_entry*> load_library(Descriptor image, const Manifest& manifest) {
  using boost::dll::load_mode::type;
  const auto mode = static_cast<type>(boost::dll::load_mode::rtld_now |
                                      boost::dll::load_mode::rtld_local | RTLD_NODELETE);
  const std::string path = fmt::format("/proc/self/fd/{}", image.get());
  boost::dll::shared_library library;
  try {
    library.load(path, mode);
  } catch (const std::exception& e) {
    return fail(ErrorCode::invalid,
                fmt::format("it cannot be loaded: {}", loader_words(e.what(), path)));
  }
  image.release();

  const espalier_plugin_entry* entry = nullptr;
  try {
    entry = &library.get<const espalier_plugin_entry>(ESPALIER_PLUGIN_SYMBOL);
  } catch (const std::exception& e) {
    return fail(ErrorCode::invalid, fmt::format("it exports no " ESPALIER_PLUGIN_SYMBOL ": {}",
                                                loader_words(e.what(), path)));
  }
  if (auto ok = check_entry(*entry); !ok) return std::unexpected(ok.error());
  if (entry->abi_major != manifest.abi_major || entry->abi_minor != manifest.abi_minor)
    return fail(ErrorCode::invalid,
                fmt::format("its entry says ABI {}.{}, its manifest {}.{}", entry->abi_major,
                            entry->abi_minor, manifest.abi_major, manifest.abi_minor));
  return entry;
}

}  // namespace espalier::load
