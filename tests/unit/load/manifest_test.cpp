// SPDX-License-Identifier: Apache-2.0
#include "plugin_folder.hpp"

#include <gmock/gmock.h>
#include <load/manifest.hpp>

namespace espalier::load {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kWhole =
    "abi=1.0\nname=my_card-2\nvendor=ACME Inc.\nversion=1.2\ncpu=aes vaes\n";

std::string why_not(std::string_view text) {
  const auto manifest = parse_manifest(text);
  return manifest ? "" : manifest.error().message;
}

TEST(Manifest, GivesWhatEachLineSays) {
  const auto manifest = parse_manifest(kWhole).value();
  EXPECT_EQ(manifest.abi_major, 1);
  EXPECT_EQ(manifest.abi_minor, 0);
  EXPECT_EQ(manifest.name, "my_card-2");
  EXPECT_EQ(manifest.vendor, "ACME Inc.");
  EXPECT_EQ(manifest.version, "1.2");
  EXPECT_THAT(manifest.cpu, ElementsAre("aes", "vaes"));
}

TEST(Manifest, NeedsNoCpuLineAndNoLastNewline) {
  const auto manifest = parse_manifest("abi=1.3\nname=a\nvendor=\nversion=").value();
  EXPECT_THAT(manifest.cpu, IsEmpty());
  EXPECT_EQ(manifest.abi_minor, 3);
}

TEST(Manifest, PassesOverKeysOfLaterVersions) {
  EXPECT_EQ(why_not(std::string(kWhole) + "licence=GPL\n"), "");
}

TEST(Manifest, NeedsEachLineExactlyOnce) {
  EXPECT_THAT(why_not("name=a\nvendor=b\nversion=1\n"), HasSubstr("no line abi="));
  EXPECT_THAT(why_not("abi=1.0\nvendor=b\nversion=1\n"), HasSubstr("no line name="));
  EXPECT_THAT(why_not(std::string(kWhole) + "name=b\n"), HasSubstr("gives name twice"));
}

TEST(Manifest, RefusesLinesThatAreNotKeyValue) {
  for (const char* line : {"abi", "=1.0", "name=\x01", "name=\xc3\xa9"})
    EXPECT_THAT(why_not(std::string(kWhole) + line), HasSubstr("is not key=value")) << line;
  EXPECT_THAT(why_not("abi=" + std::string(5000, '1')), HasSubstr("is not key=value"));
}

TEST(Manifest, RefusesAnAbiThatIsNoVersion) {
  for (const char* abi : {"", "1", "1.", ".0", "1.x", "-1.0", "1.0.0", "99999.0", " 1.0"})
    EXPECT_THAT(why_not(std::string("abi=") + abi + "\nname=a\nvendor=b\nversion=1\n"),
                HasSubstr("is not MAJOR.MINOR"))
        << abi;
}

TEST(Manifest, RefusesNamesThatAPolicyCannotUse) {
  for (const std::string& name :
       std::vector<std::string>{"", "AES", "a b", "a/b", "../x", std::string(33, 'a')})
    EXPECT_THAT(why_not("abi=1.0\nname=" + name + "\nvendor=b\nversion=1\n"),
                HasSubstr("is not of a to z"))
        << name;
}

TEST(Manifest, AcceptsLaterMinorsOfItsAbiOnly) {
  Manifest manifest;
  manifest.abi_major = 1;
  manifest.abi_minor = 7;
  EXPECT_TRUE(check_abi(manifest));
  for (const std::uint16_t major : std::initializer_list<std::uint16_t>{0, 2, 65535}) {
    manifest.abi_major = major;
    const auto checked = check_abi(manifest);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ErrorCode::unsupported);
  }
}

TEST(Manifest, IsReadFromAPluginInEitherLanguage) {
  EXPECT_EQ(read_manifest(test::bytes_of(test::built("good")))->name, "good");
  EXPECT_EQ(read_manifest(test::bytes_of(test::built("plain")))->name, "plain");
}

TEST(Manifest, OfAStrippedPluginIsStillFound) {
  const test::PluginFolder folder;
  const auto stripped = folder.path() / "good.so";
  const std::string command =
      "strip -o '" + stripped.string() + "' '" + test::built("good").string() + "'";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "there is no 'strip' on this machine";
  EXPECT_EQ(read_manifest(test::bytes_of(stripped))->name, "good");
}

TEST(Manifest, IsNotLookedForInWhatIsNoSharedObject) {
  const auto refusal = [](const std::filesystem::path& path) {
    return read_manifest(test::bytes_of(path)).error().message;
  };
  EXPECT_THAT(refusal(__FILE__), HasSubstr("not an ELF file"));
  auto object = test::bytes_of(test::built("good"));
  object[16] = 1;  // e_type: relocatable
  EXPECT_THAT(read_manifest(object).error().message, HasSubstr("not a shared object"));
  object[18] = 8;  // e_machine: MIPS
  EXPECT_THAT(read_manifest(object).error().message, HasSubstr("another kind of machine"));
}

}  // namespace
}  // namespace espalier::load
