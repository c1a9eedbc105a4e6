// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <map>
#include <set>

#include "key_file_fixture.hpp"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Keygen : public KeyFileTest {
 protected:
  std::vector<OneTimeKeys> claimed(const std::string& site) {
    auto keys =
        claim_key_file(keys_ / (site + ".keys"), folder_ / ("state-" + site), *secrets_, site);
    if (keys) return std::move(*keys);
    ADD_FAILURE() << keys.error().message;
    return {};
  }
};

// A hub with two peers, one on CBC, and a tunnel that takes no key file.
const std::string kHub = changed(base(), {{"name = \"t\"", "name = \"gcm\""}}) + R"(
[site.third]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "cbc"
sites = ["third", "left"]
transform = "aes128-sha256"
keys = { file = "{site}.keys" }
[[tunnel]]
name = "socket"
sites = ["third", "right"]
transform = "aes256gcm16"
keys = { socket = true }
)";

TEST_F(Keygen, WritesOneFileForEachSiteThatOnlyItsOwnerCanRead) {
  const auto files = generate_key_files(config_of(kHub), keys_, *secrets_);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(*files, ElementsAre(keys_ / "left.keys", keys_ / "right.keys", keys_ / "third.keys"));
  for (const auto& file : *files) EXPECT_EQ(mode_of(file), 0600U) << file;
  EXPECT_EQ(mode_of(keys_), 0700U) << "the folder was made";
}

TEST_F(Keygen, WhatOneSiteSendsWithTheOtherReceivesWith) {
  ASSERT_TRUE(generate_key_files(config_of(kHub), keys_, *secrets_));
  std::map<std::pair<std::string, std::uint32_t>, int> seen;
  std::map<std::uint32_t, std::vector<std::uint8_t>> cipher, salt, integrity;
  for (const char* site : {"left", "right", "third"})
    for (const OneTimeKeys& sa : claimed(site)) {
      seen[{sa.tunnel, sa.spi}] += sa.direction == Direction::outbound ? 1 : 10;
      for (auto [kept, key] : {std::pair(&cipher, &sa.keys.cipher), std::pair(&salt, &sa.keys.salt),
                               std::pair(&integrity, &sa.keys.integrity)})
        EXPECT_EQ(kept->emplace(sa.spi, bytes_of(*key)).first->second, bytes_of(*key));
    }
  EXPECT_EQ(seen.size(), 4U) << "two tunnels, two directions";
  for (const auto& [sa, ends] : seen) EXPECT_EQ(ends, 11) << sa.first << " has both ends";
}

TEST_F(Keygen, KeysHaveTheLengthsOfTheirTransform) {
  ASSERT_TRUE(generate_key_files(config_of(kHub), keys_, *secrets_));
  for (const OneTimeKeys& sa : claimed("left")) {
    const bool gcm = sa.tunnel == "gcm";
    EXPECT_EQ(to_string(sa.transform), gcm ? "aes256gcm16" : "aes128-sha256");
    EXPECT_EQ(sa.keys.cipher.size(), gcm ? 32U : 16U);
    EXPECT_EQ(sa.keys.salt.size(), gcm ? 4U : 0U);
    EXPECT_EQ(sa.keys.integrity.size(), gcm ? 0U : 32U);
    EXPECT_GE(sa.spi, kMinSpi);
  }
}

TEST_F(Keygen, NoKeySpiOrIdComesTwice) {
  std::set<std::vector<std::uint8_t>> keys;
  std::set<std::uint32_t> spis;
  std::set<std::string> ids;
  for (const char* run : {"1", "2", "3"}) {
    const auto folder = folder_ / run;
    ASSERT_TRUE(generate_key_files(config_of(kHub), folder, *secrets_));
    for (const char* site : {"left", "right", "third"}) {
      const std::string text = read_text(folder / (std::string(site) + ".keys"));
      ids.insert(text.substr(text.find("id = "), 39));
    }
    const auto left = claim_key_file(folder / "left.keys", state_, *secrets_, "left");
    ASSERT_TRUE(left);
    for (const OneTimeKeys& sa : *left) {
      keys.insert(bytes_of(sa.keys.cipher));
      spis.insert(sa.spi);
    }
  }
  EXPECT_EQ(ids.size(), 9U);
  EXPECT_EQ(keys.size(), 12U);
  EXPECT_EQ(spis.size(), 12U);
}

TEST_F(Keygen, NothingIsOverwrittenAndNothingHalfDoneStays) {
  std::filesystem::create_directory(keys_);
  std::ofstream(keys_ / "right.keys") << "precious";
  const auto files = generate_key_files(config_of(kHub), keys_, *secrets_);
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::conflict);
  EXPECT_EQ(
      without_folder(files.error().message),
      "keys/right.keys exists already, and keys are not overwritten: name a fresh folder with "
      "--out, or delete it on all ends");
  EXPECT_EQ(read_text(keys_ / "right.keys"), "precious");
  EXPECT_FALSE(std::filesystem::exists(keys_ / "left.keys")) << "made before, taken away again";
}

TEST_F(Keygen, ALinkInTheWayIsNotFollowed) {
  std::filesystem::create_directory(keys_);
  std::filesystem::create_symlink(folder_ / "elsewhere", keys_ / "left.keys");
  EXPECT_FALSE(generate_key_files(config_of(base()), keys_, *secrets_));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere"));
}

TEST_F(Keygen, WithoutATunnelThatTakesAFileItSaysSo) {
  const auto files = generate_key_files(config_of(static_base()), keys_, *secrets_);
  ASSERT_FALSE(files);
  EXPECT_EQ(without_folder(files.error().message),
            "no tunnel of gateway.toml takes its keys from a file: write keys = { file = "
            "\"{site}.keys\" } into those that shall");
}

TEST_F(Keygen, AFolderThatCannotBeWrittenIsNamed) {
  std::filesystem::create_directory(keys_);
  const GatewayConfig config = config_of(base());
  as_ordinary_user(folder_, [&] {
    ::chmod(keys_.c_str(), 0500);
    const auto files = generate_key_files(config, keys_, *secrets_);
    ::chmod(keys_.c_str(), 0700);
    ASSERT_FALSE(files);
    EXPECT_EQ(files.error().code, ErrorCode::permission);
    EXPECT_THAT(files.error().message, HasSubstr("cannot make"));
  });
}

}  // namespace
}  // namespace espalier
