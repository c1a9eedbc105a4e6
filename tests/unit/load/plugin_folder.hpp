// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/registry.hpp>

#include <gtest/gtest.h>
#include <unit/places.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace espalier::test {

// A plugin of tests/plugins, as built.
inline std::filesystem::path built(const std::string& plugin) {
  return std::filesystem::path(ESPALIER_BINARY_DIR) / "tests" / "plugins" / (plugin + ".so");
}

inline std::vector<std::uint8_t> bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A fresh folder that only this user can change; removed at the end.
class PluginFolder {
 public:
  PluginFolder() {
    std::string name =
        std::filesystem::canonical(std::filesystem::temp_directory_path()) / "espalier-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~PluginFolder() { std::filesystem::remove_all(path_); }
  PluginFolder(const PluginFolder&) = delete;
  PluginFolder& operator=(const PluginFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Puts a plugin of tests/plugins there, under its own or another file name.
  std::filesystem::path add(const std::string& plugin, std::string as = "") {
    const auto target = path_ / ((as.empty() ? plugin : as) + ".so");
    std::filesystem::copy_file(built(plugin), target,
                               std::filesystem::copy_options::overwrite_existing);
    chmod(target, 0755);
    return target;
  }

  static void chmod(const std::filesystem::path& path, unsigned mode) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
  }

 private:
  std::filesystem::path path_;
};

// A registry over folders of plugins, with what it logged.
class LoadedRegistry {
 public:
  explicit LoadedRegistry(RegistryOptions options) {
    options.log = [this](int, std::string_view text) { logged.emplace_back(text); };
    secrets = std::move(SecretPool::create()).value();
    auto loaded = Registry::load(options, *secrets);
    EXPECT_TRUE(loaded) << loaded.error().message;
    if (loaded) registry = std::move(*loaded);
  }
  explicit LoadedRegistry(const std::filesystem::path& folder)
      : LoadedRegistry(RegistryOptions{.folders = {folder}}) {}

  Registry& operator*() const { return *registry; }
  Registry* operator->() const { return registry.get(); }

  // What it says of the backend of that name now; an empty one if there is none.
  BackendInfo find(const std::string& name) const {
    const auto all = registry->backends();
    const auto found = std::ranges::find(all, name, &BackendInfo::name);
    EXPECT_NE(found, all.end()) << "no backend named " << name;
    return found == all.end() ? BackendInfo{} : *found;
  }

  std::vector<std::string> logged;
  std::unique_ptr<SecretPool> secrets;
  std::unique_ptr<Registry> registry;
};

// That a device can be opened, keyed and used.
inline void expect_working(Registry& registry, const std::string& backend,
                           const std::string& device) {
  const auto opened = registry.open(backend, device);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto queue = (*opened)->open_queue();
  ASSERT_TRUE(queue) << queue.error().message;
  espalier_op op{};
  op.status = ESPALIER_OP_PENDING;
  espalier_op* ops[] = {&op};
  EXPECT_EQ((*queue)->process(ops), ESPALIER_OK);
  EXPECT_EQ(op.status, ESPALIER_OP_DONE);
}

}  // namespace espalier::test
