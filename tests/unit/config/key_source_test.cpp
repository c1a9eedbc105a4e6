// SPDX-License-Identifier: Apache-2.0
//
// Static keys from wherever they come, and where they must not go.
#include <fmt/format.h>
#include <unistd.h>
#include <config/source_text.hpp>

#include <cstdlib>
#include <random>

#include "memory_scan.hpp"
#include "mistake.hpp"

namespace espalier {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kCipher = "00112233445566778899aabbccddeeff";
constexpr std::string_view kQuotedCipher = "\"00112233445566778899aabbccddeeff\"";

class KeySource : public ConfigTest {
 protected:
  // The forward cipher key of a configuration in which it is `value`; "" and a failure if refused.
  std::string cipher_key(const std::string& value) {
    const ConfigReading reading =
        read(changed(static_base(), {{std::string(kQuotedCipher), value}}));
    if (!reading.config) {
      ADD_FAILURE() << testing::PrintToString(sentences(reading));
      return "";
    }
    const auto key = reading.config->tunnels.at(0).static_keys->forward.cipher.view();
    return {key.begin(), key.end()};
  }

  std::vector<std::string> refusal(const std::string& value) {
    return sentences(read(changed(static_base(), {{std::string(kQuotedCipher), value}})));
  }

  const std::string expected_ =
      std::string("\x00\x11\x22\x33\x44\x55\x66\x77", 8) + "\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
};

TEST_F(KeySource, IsTextInTheFile) {
  EXPECT_EQ(cipher_key(std::string(kQuotedCipher)), expected_);
  EXPECT_EQ(cipher_key(fmt::format("'{}'", kCipher)), expected_);
  EXPECT_EQ(cipher_key(fmt::format("\"0x{}\"", kCipher)), expected_);
}

TEST_F(KeySource, BothDirectionsHaveTheirOwn) {
  const ConfigReading reading = read(static_base());
  ASSERT_TRUE(reading.config);
  const StaticKeys& keys = *reading.config->tunnels.at(0).static_keys;
  EXPECT_EQ(keys.spi_forward, 0x1001U);
  EXPECT_EQ(keys.spi_backward, 0x1002U);
  EXPECT_EQ(keys.forward.cipher.view()[1], 0x11);
  EXPECT_EQ(keys.forward.integrity.size(), 20U);
  EXPECT_EQ(keys.backward.cipher.view()[0], 0xff);
  EXPECT_EQ(keys.backward.integrity.view()[0], 0x13);
}

TEST_F(KeySource, IsAFileWithMode0600) {
  write("cipher.key", std::string(kCipher) + "\n");
  EXPECT_EQ(cipher_key("{ file = \"cipher.key\" }"), expected_);
}

TEST_F(KeySource, IsTheEnvironment) {
  ASSERT_EQ(::setenv("ESPALIER_TEST_KEY", std::string(kCipher).c_str(), 1), 0);
  EXPECT_EQ(cipher_key("{ env = \"ESPALIER_TEST_KEY\" }"), expected_);
  ::unsetenv("ESPALIER_TEST_KEY");
}

TEST_F(KeySource, AFileThatOthersCanReadIsRefused) {
  write("cipher.key", kCipher, 0640);
  EXPECT_THAT(refusal("{ file = \"cipher.key\" }"),
              Contains("gateway.toml:16:14: error: 'cipher_key': others can open cipher.key (mode "
                       "0640), so its keys are not secret: make new ones, and chmod 600"));
}

TEST_F(KeySource, AFileInAFolderThatOthersCanWriteIsRefused) {
  write("keys/cipher.key", kCipher);
  ::chmod((folder_ / "keys").c_str(), 0777);
  EXPECT_THAT(refusal("{ file = \"keys/cipher.key\" }"),
              Contains("gateway.toml:16:14: error: 'cipher_key': others can write to the folder "
                       "keys (mode 0777), and so put keys of theirs in place of yours: chmod go-w "
                       "it"));
  ::chmod((folder_ / "keys").c_str(), 01777);
  EXPECT_EQ(cipher_key("{ file = \"keys/cipher.key\" }"), expected_) << "as in /tmp: sticky";
}

TEST_F(KeySource, ALinkIsRefused) {
  write("real.key", kCipher);
  std::filesystem::create_symlink("real.key", folder_ / "cipher.key");
  EXPECT_THAT(refusal("{ file = \"cipher.key\" }"),
              Contains("gateway.toml:16:14: error: 'cipher_key': cipher.key is a symbolic link: "
                       "name the file itself"));
}

TEST_F(KeySource, AFifoIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo((folder_ / "cipher.key").c_str(), 0600), 0);
  EXPECT_THAT(
      refusal("{ file = \"cipher.key\" }"),
      Contains("gateway.toml:16:14: error: 'cipher_key': cipher.key is not a regular file"));
}

TEST_F(KeySource, AFileOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file away needs root";
  ASSERT_EQ(::chown(write("cipher.key", kCipher).c_str(), 12345, 12345), 0);
  EXPECT_THAT(refusal("{ file = \"cipher.key\" }"),
              Contains("gateway.toml:16:14: error: 'cipher_key': cipher.key belongs to user 12345, "
                       "but keys are only read from files of user 0: chown it"));
}

TEST_F(KeySource, AFileWithKeysThatOthersCanReadIsWarnedOf) {
  const ConfigReading reading = read_config(write("open.toml", static_base(), 0644), *secrets_);
  EXPECT_TRUE(reading.config);
  EXPECT_THAT(sentences(reading),
              Contains("open.toml: warning: it holds keys, but others can open it: chmod 600 "
                       "open.toml, and make new keys"));
}

// Secrets in every place and with every mistake that a hand makes: whatever is said, it is not
// them.
TEST_F(KeySource, NoSentenceShowsAKey) {
  const std::string secret = "5ec7e75ec7e75ec7e75ec7e7";
  const char* const forms[] = {
      "\"S\"",        "'S'",         "\"\"\"S\"\"\"",   "S",       "\"S",
      "[\"S\"]",      "\"S\" \"",    "{ hex = \"S\" }", "= \"S\"", "\"\\uS\"",
      "S S",          "\"S\"x",      "\"S\n\"",         "0xS",     "- S",
      "{ file = S }", "{ hex = S }",
  };
  for (const char* const form : forms) {
    std::string value = form;
    for (std::size_t at; (at = value.find('S')) != std::string::npos;) value.replace(at, 1, secret);
    const auto seen = refusal(value);
    EXPECT_FALSE(seen.empty()) << value;
    EXPECT_THAT(seen, Each(Not(HasSubstr("5ec7e7")))) << value;
  }
}

TEST_F(KeySource, TheTextOfAKeyIsNowhereInMemoryAfterwards) {
  if (!kCanScanMemory) GTEST_SKIP() << "not under a sanitizer";
  std::string scrambled;
  std::random_device random;
  for (int i = 0; i < 32; ++i)
    scrambled += static_cast<char>("0123456789abcdef"[random() % 16] ^ kScramble);
  // Many tunnels with that key: what is left behind is partly overwritten soon.
  const std::filesystem::path file = write("gateway.toml", "");
  for (int i = 0; i < 40; ++i) {
    std::ofstream(file, std::ios::app) << fmt::format(
        "[site.a{0}]\naddress = \"192.0.2.{0}\"\nnetworks = [\"10.1.{0}.0/24\"]\n"
        "[site.b{0}]\naddress = \"198.51.100.{0}\"\nnetworks = [\"10.2.{0}.0/24\"]\n"
        "[[tunnel]]\nname = \"t{0}\"\nsites = [\"a{0}\", \"b{0}\"]\ntransform = \"null-md5\"\n"
        "[tunnel.keys.static]\nspi = [0x1001, 0x1002]\n"
        "backward = {{ integrity_key = \"{1}\" }}\nforward = {{ integrity_key = \"",
        i, kCipher);
    append_plain(file, scrambled);
    std::ofstream(file, std::ios::app) << "\" }\n";
  }
  std::vector<char> pin;  // behind the buffer, which the heap then cannot give back to the system
  {
    const auto source = config::read_config_text(file);
    pin.resize(100000);
    ASSERT_TRUE(source);
    ASSERT_GE(copies_in_memory(scrambled), 1) << "the test must see what is there";
  }
  ASSERT_EQ(copies_in_memory(scrambled), 0);
  const ConfigReading reading = read_config(file, *secrets_);
  ASSERT_TRUE(reading.config);
  EXPECT_EQ(copies_in_memory(scrambled), 0);
}
}  // namespace
}  // namespace espalier
