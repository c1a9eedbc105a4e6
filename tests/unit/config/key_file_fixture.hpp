// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mistake.hpp"

namespace espalier {

class KeyFileTest : public ConfigTest {
 protected:
  GatewayConfig config_of(std::string_view text) {
    ConfigReading reading = read(text);
    if (reading.config) return std::move(*reading.config);
    ADD_FAILURE() << testing::PrintToString(sentences(reading));
    return {};
  }

  // Fresh key files of base(): left.keys and right.keys in `keys_`.
  void generate() {
    const auto made = generate_key_files(config_of(base()), keys_, *secrets_);
    ASSERT_TRUE(made) << made.error().message;
  }

  Result<std::vector<OneTimeKeys>> claim(const std::filesystem::path& file,
                                         std::string_view site = {}) {
    return claim_key_file(file, state_, *secrets_, site);
  }

  // The sentence of a claim that must be refused.
  std::string refusal(const std::filesystem::path& file, std::string_view site = {}) {
    const auto keys = claim(file, site);
    if (!keys) return without_folder(keys.error().message);
    ADD_FAILURE() << file << " was claimed";
    return "";
  }

  const std::filesystem::path keys_ = folder_ / "keys";
  const std::filesystem::path state_ = folder_ / "state";
  const std::filesystem::path left_ = keys_ / "left.keys";
};

// Runs as an ordinary user, to whom the folder then belongs; root lends itself out for it.
template <class Work>
void as_ordinary_user(const std::filesystem::path& folder, Work work) {
  constexpr uid_t kSomebody = 12345;
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chown(folder.c_str(), kSomebody, kSomebody), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      ASSERT_EQ(::lchown(entry.path().c_str(), kSomebody, kSomebody), 0);
    ASSERT_EQ(::seteuid(kSomebody), 0);
  }
  work();
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
}

inline mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

inline std::vector<std::uint8_t> bytes_of(const SecretBytes& secret) {
  return {secret.view().begin(), secret.view().end()};
}

}  // namespace espalier
