// SPDX-License-Identifier: Apache-2.0
#include "config/key_file_claim.hpp"

#include <unistd.h>

#include "key_file_fixture.hpp"
#include "memory_scan.hpp"

namespace espalier {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

class Claim : public KeyFileTest {};

TEST_F(Claim, GivesTheKeysAndRenamesTheFile) {
  generate();
  const auto keys = claim(left_, "left");
  ASSERT_TRUE(keys) << keys.error().message;
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->at(0).tunnel, "t");
  EXPECT_EQ(keys->at(0).direction, Direction::outbound);
  EXPECT_EQ(keys->at(1).direction, Direction::inbound);
  EXPECT_FALSE(std::filesystem::exists(left_));
  EXPECT_TRUE(std::filesystem::exists(keys_ / "left.keys.used"));
}

TEST_F(Claim, IsRecordedWhereOnlyTheOwnerCanReach) {
  generate();
  ASSERT_TRUE(claim(left_));
  EXPECT_EQ(mode_of(state_), 0700U);
  int records = 0;
  for (const auto& entry : std::filesystem::directory_iterator(state_)) {
    ++records;
    EXPECT_THAT(entry.path().filename().string(), StartsWith("claimed-"));
    EXPECT_EQ(mode_of(entry.path()), 0600U);
    EXPECT_THAT(read_text(entry.path()), HasSubstr("left.keys site left claimed"));
  }
  EXPECT_EQ(records, 1);
}

TEST_F(Claim, ASecondOneIsRefusedWithWhenWhyAndWhatToDo) {
  generate();
  ASSERT_TRUE(claim(left_));
  EXPECT_THAT(
      refusal(left_),
      MatchesRegex("the keys of 'keys/left.keys' were used on "
                   "[0-9]+-[0-9]+-[0-9]+ [0-9]+:[0-9]+:[0-9]+ UTC .the file is now "
                   "'keys/left.keys.used'.: one-time keys serve one run, because numbers used "
                   "twice under one key lay the traffic open; make new ones with 'espalier "
                   "keygen' and bring them to all ends"));
}

TEST_F(Claim, ACopyIsRefusedWhateverItsName) {
  generate();
  std::filesystem::copy(left_, folder_ / "copy.keys");
  ASSERT_TRUE(claim(left_));
  EXPECT_THAT(
      refusal(folder_ / "copy.keys"),
      AllOf(StartsWith("the keys of 'copy.keys' were claimed on "),
            HasSubstr("already (recorded in 'state/claimed-"), HasSubstr("'espalier keygen'")));
  std::filesystem::copy(folder_ / "copy.keys", left_);
  EXPECT_THAT(refusal(left_), HasSubstr("were claimed on"));
  EXPECT_TRUE(std::filesystem::exists(left_)) << "a refused file stays where it is";
}

TEST_F(Claim, OfACopyAndItsOriginalThatBothArePreparedOneIsTaken) {
  generate();
  const auto copy = folder_ / "copy.keys";
  std::filesystem::copy(left_, copy);
  auto first = config::KeyFileClaim::prepare(left_, state_, *secrets_, "left");
  auto second = config::KeyFileClaim::prepare(copy, state_, *secrets_, "left");
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(std::move(*first).take());
  const auto taken = std::move(*second).take();
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("were claimed on"));
}

TEST_F(Claim, OneThatIsOnlyPreparedUsesNothingUp) {
  generate();
  for (int run = 0; run < 2; ++run) {
    const auto claim = config::KeyFileClaim::prepare(left_, state_, *secrets_, "left");
    ASSERT_TRUE(claim) << claim.error().message;
    const Transform made_for = config_of(base()).tunnels.at(0).transform;
    EXPECT_TRUE(claim->check("t", Direction::outbound, made_for));
    EXPECT_TRUE(claim->check("t", Direction::inbound, made_for));
    const auto other_tunnel = claim->check("u", Direction::outbound, made_for);
    ASSERT_FALSE(other_tunnel);
    EXPECT_THAT(other_tunnel.error().message, HasSubstr("has no keys for SA 'u/out'"));
    const auto other_transform =
        claim->check("t", Direction::inbound, find_transform("aes128-sha1").value()->transform);
    ASSERT_FALSE(other_transform);
    EXPECT_THAT(other_transform.error().message, HasSubstr("was made for the transform"));
  }
  EXPECT_TRUE(claim(left_, "left")) << "nothing of the two before is left";
}

TEST_F(Claim, OneThatIsPreparedIsNobodyElses) {
  generate();
  auto first = config::KeyFileClaim::prepare(left_, state_, *secrets_, "left");
  ASSERT_TRUE(first);
  EXPECT_THAT(refusal(left_), HasSubstr("another process is claiming the keys"));
  const auto keys = std::move(*first).take();
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_THAT(refusal(left_), HasSubstr("were used on"));
}

TEST_F(Claim, TheUsedFileHasNoKeysAnyMore) {
  generate();
  ASSERT_THAT(read_text(left_), HasSubstr("cipher_key"));
  ASSERT_TRUE(claim(left_));
  EXPECT_THAT(read_text(keys_ / "left.keys.used"),
              AllOf(StartsWith("# one-time keys "), Not(HasSubstr("cipher_key"))));
  EXPECT_THAT(refusal(keys_ / "left.keys.used"), HasSubstr("was used: its keys were taken out"));
  const auto read = read_inbound_keys(left_, *secrets_, "left");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("keep a copy of the key file from before"));
  EXPECT_THAT(read.error().message, Not(HasSubstr("make new ones"))) << "which decrypt nothing old";
}

TEST_F(Claim, BothEndsMayShareAStateDirectory) {
  generate();
  EXPECT_TRUE(claim(left_, "left"));
  EXPECT_TRUE(claim(keys_ / "right.keys", "right"));
}

TEST_F(Claim, NewKeysAfterUsedOnesAreClaimed) {
  for (int run = 0; run < 3; ++run) {
    std::filesystem::remove(keys_ / "right.keys");
    generate();
    const auto keys = claim(left_);
    ASSERT_TRUE(keys) << keys.error().message;
  }
}

TEST_F(Claim, AFileThatIsNotThereIsNamed) {
  std::filesystem::create_directory(keys_);
  EXPECT_EQ(
      refusal(left_),
      "there is no key file 'keys/left.keys': make it with 'espalier keygen', or say where it is "
      "with --keys FOLDER");
}

TEST_F(Claim, AFolderThatIsNotThereIsNamed) {
  EXPECT_THAT(refusal(left_), HasSubstr("cannot open the folder"));
}

TEST_F(Claim, TheFileOfTheOtherSiteIsRefusedAndNotUsedUp) {
  generate();
  EXPECT_EQ(
      refusal(left_, "right"),
      "'keys/left.keys' has the keys of site 'left', but this is site 'right': each site has a "
      "file of its own, and both ends with one file would use the same keys for different "
      "traffic");
  EXPECT_TRUE(claim(left_, "left"));
}

TEST_F(Claim, AFileThatOthersCanReadIsRefused) {
  generate();
  ::chmod(left_.c_str(), 0604);
  EXPECT_EQ(
      refusal(left_),
      "others can open keys/left.keys (mode 0604), so its keys are not secret: make new ones, "
      "and chmod 600");
}

TEST_F(Claim, AFolderThatOthersCanWriteIsRefused) {
  generate();
  for (const mode_t mode : {0777U, 0722U, 0720U, 0702U}) {
    ::chmod(keys_.c_str(), mode);
    EXPECT_THAT(refusal(left_), HasSubstr("others can write to the folder keys (mode 07"));
  }
  std::filesystem::remove(keys_ / "left.keys");
  std::filesystem::remove(keys_ / "right.keys");
  const auto made = generate_key_files(config_of(base()), keys_, *secrets_);
  ASSERT_FALSE(made) << "keygen put secrets where others can replace them";
  EXPECT_THAT(made.error().message, HasSubstr("chmod go-w"));
  ::chmod(keys_.c_str(), 01777);
  generate();
  EXPECT_TRUE(claim(left_)) << "with the sticky bit nobody can take another's file away";
}

TEST_F(Claim, ALinkIsRefused) {
  generate();
  std::filesystem::create_symlink(left_, folder_ / "link.keys");
  EXPECT_EQ(refusal(folder_ / "link.keys"), "link.keys is a symbolic link: name the file itself");
}

TEST_F(Claim, AFileOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file away needs root";
  generate();
  ASSERT_EQ(::chown(left_.c_str(), 12345, 12345), 0);
  EXPECT_THAT(refusal(left_), HasSubstr("belongs to user 12345"));
}

TEST_F(Claim, AStateDirectoryThatOthersCanWriteIsRefused) {
  generate();
  std::filesystem::create_directory(state_);
  ::chmod(state_.c_str(), 0777);
  EXPECT_THAT(refusal(left_), HasSubstr("others can write to the state directory 'state'"));
  ::chmod(state_.c_str(), 0700);
  EXPECT_TRUE(claim(left_)) << "nothing was used up";
}

TEST_F(Claim, AStateDirectoryThatCannotBeMadeIsNamedWithTheWayOut) {
  generate();
  const auto claimed = config::KeyFileClaim::prepare(left_, left_ / "state", *secrets_, "left");
  ASSERT_FALSE(claimed);
  EXPECT_THAT(claimed.error().message, HasSubstr("name another folder with --state"));
  EXPECT_TRUE(claim(left_)) << "nothing was used up";
}

TEST_F(Claim, AFolderInWhichNothingCanBeRenamedIsRefusedBeforeTheKeysAreUsedUp) {
  generate();
  as_ordinary_user(folder_, [&] {
    ::chmod(keys_.c_str(), 0500);
    EXPECT_THAT(refusal(left_), HasSubstr("cannot rename files in keys"));
    ::chmod(keys_.c_str(), 0700);
    EXPECT_TRUE(claim(left_)) << "nothing was used up";
  });
}

// Damage that a hand, an editor or a broken disk makes.
TEST_F(Claim, ADamagedFileIsRefusedAndNotUsedUp) {
  generate();
  const std::string text = read_text(left_);
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"format = 1", "format = 2"},
      {"count = 2", "count = 3"},
      {"spi = 0x", "spi = 0x1"},
      {"aes256gcm16", "aes128gcm16"},
      {"direction = \"inbound\"", "direction = \"outbound\""},
      {"id = \"", "id = \"../"},
      {"salt", "slat"},
      {"tunnel = \"t\"\n", ""},
      {"cipher_key = \"", "cipher_key = \"g"},
  };
  for (const auto& damage : damages) {
    write("keys/left.keys", changed(text, {damage}));
    EXPECT_THAT(refusal(left_),
                AllOf(StartsWith("not a one-time key file, or a damaged one: keys/left.keys:"),
                      HasSubstr("make new ones with 'espalier keygen'")))
        << damage.second;
  }
  for (std::size_t length = 0; length < text.size() - 1; length += 7) {
    write("keys/left.keys", text.substr(0, length));
    const bool whole_line = length > 0 && text[length - 1] == '\n';
    if (whole_line && length > text.find("[[sa]]"))
      EXPECT_THAT(refusal(left_), HasSubstr("not a one-time key file, or a damaged one")) << length;
    else
      EXPECT_EQ(refusal(left_), "keys/left.keys is cut off after " + std::to_string(length) +
                                    " bytes: bring the whole file once more, or make new ones "
                                    "with 'espalier keygen'");
  }
  write("keys/left.keys", text);
  EXPECT_TRUE(claim(left_));
}

TEST_F(Claim, NoSentenceShowsAKey) {
  generate();
  const std::string text = read_text(left_);
  const std::string name = "cipher_key = \"";
  const std::string key = text.substr(text.find(name) + name.size(), 64);
  for (const auto& damage : std::vector<std::pair<std::string, std::string>>{
           {key, key + "0"}, {"\"" + key, key}, {key + "\"", key}, {name, "cipher = \""}}) {
    write("keys/left.keys", changed(text, {damage}));
    EXPECT_EQ(refusal(left_).find(key.substr(0, 8)), std::string::npos) << damage.second;
  }
}

TEST_F(Claim, TheTextOfAKeyIsNowhereInMemory) {
  if (!kCanScanMemory) GTEST_SKIP() << "not under a sanitizer";
  generate();
  const std::string file = read_scrambled(left_, 0, std::filesystem::file_size(left_));
  std::string name = "cipher_key = \"";
  for (char& c : name) c ^= kScramble;
  const std::string scrambled = file.substr(file.find(name) + name.size(), 64);
  ASSERT_TRUE(claim(left_));
  EXPECT_EQ(copies_in_memory(scrambled), 0);
}

}  // namespace
}  // namespace espalier
