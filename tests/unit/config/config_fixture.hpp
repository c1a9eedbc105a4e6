// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/key_file.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// A folder of its own for each test, with a pool for keys.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string name = std::filesystem::temp_directory_path() / "espalier-config-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = name;
    auto pool = SecretPool::create();
    if (!pool) throw std::runtime_error(pool.error().message);
    secrets_ = std::move(*pool);
  }
  ~ConfigTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path write(const std::filesystem::path& name, std::string_view text,
                              mode_t mode = 0600) const {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    ::chmod(file.c_str(), mode);
    return file;
  }

  ConfigReading read(std::string_view text, const ConfigOverrides& overrides = {}) {
    return read_config(write("gateway.toml", text), *secrets_, overrides);
  }

  // The findings as a person sees them, but with paths relative to the test's folder.
  std::vector<std::string> sentences(const ConfigReading& reading) const {
    std::vector<std::string> result;
    for (const Diagnostic& finding : reading.findings)
      result.push_back(without_folder(to_string(finding)));
    return result;
  }

  std::string without_folder(std::string text) const {
    const std::string prefix = folder_.string() + "/";
    for (std::size_t at; (at = text.find(prefix)) != std::string::npos;)
      text.erase(at, prefix.size());
    return text;
  }

  std::filesystem::path folder_;
  std::unique_ptr<SecretPool> secrets_;
};

inline std::string read_text(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// Two sites and a tunnel between them; tests change what they are about.
inline constexpr std::string_view kTwoSites = R"(
[gateway]
site = "left"
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24", "fd00:1::/64"]
[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24", "fd00:2::/64"]
)";
inline constexpr std::string_view kTunnel = R"(
[[tunnel]]
name = "left-right"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
)";

inline std::string two_sites_and(std::string_view more) {
  return std::string(kTwoSites) + std::string(more);
}

}  // namespace espalier
