// SPDX-License-Identifier: Apache-2.0
#include "plugin_folder.hpp"

#include <gmock/gmock.h>
#include <load/trusted_file.hpp>

#include <fcntl.h>

namespace espalier::load {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kMe = 1000;

struct stat found(mode_t mode, uid_t owner) {
  struct stat found{};
  found.st_mode = mode;
  found.st_uid = owner;
  return found;
}

bool trusted(mode_t mode, uid_t owner, PathRole role) {
  return distrust(found(mode, owner), role, kMe).empty();
}

TEST(TrustedFile, BelongsToRootOrToTheUser) {
  for (const auto role : {PathRole::ancestor, PathRole::folder, PathRole::file}) {
    const mode_t mode = role == PathRole::file ? S_IFREG | 0644 : S_IFDIR | 0755;
    EXPECT_TRUE(trusted(mode, 0, role));
    EXPECT_TRUE(trusted(mode, kMe, role));
    EXPECT_FALSE(trusted(mode, kMe + 1, role));
  }
}

TEST(TrustedFile, CanBeWrittenByItsOwnerOnly) {
  for (const mode_t open : {mode_t{0020}, mode_t{0002}, mode_t{0022}}) {
    EXPECT_FALSE(trusted(S_IFREG | 0644 | open, 0, PathRole::file));
    EXPECT_FALSE(trusted(S_IFDIR | 0755 | open, 0, PathRole::folder));
    EXPECT_FALSE(trusted(S_IFDIR | 0755 | open, 0, PathRole::ancestor));
  }
}

TEST(TrustedFile, MayLieBelowAStickyFolderButNotInOne) {
  EXPECT_TRUE(trusted(S_IFDIR | S_ISVTX | 0777, 0, PathRole::ancestor));
  EXPECT_FALSE(trusted(S_IFDIR | S_ISVTX | 0777, kMe + 1, PathRole::ancestor));
  EXPECT_FALSE(trusted(S_IFDIR | S_ISVTX | 0777, 0, PathRole::folder));
  EXPECT_FALSE(trusted(S_IFREG | S_ISVTX | 0666, 0, PathRole::file));
}

TEST(TrustedFile, IsARegularFile) {
  for (const mode_t kind :
       std::initializer_list<mode_t>{S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK, S_IFDIR})
    EXPECT_FALSE(trusted(kind | 0644, 0, PathRole::file));
}

TEST(TrustedFile, IsOpenedForReading) {
  const test::PluginFolder folder;
  test::write_file(folder.path() / "x", "text");
  const auto file = open_trusted(folder.path() / "x");
  ASSERT_TRUE(file) << file.error().message;
  char text[8];
  EXPECT_EQ(read(file->get(), text, sizeof(text)), 4);
  EXPECT_EQ(fcntl(file->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(TrustedFile, MayBeGivenWithDots) {
  const test::PluginFolder folder;
  test::write_file(folder.path() / "x", "text");
  EXPECT_TRUE(open_trusted(folder.path() / "y" / ".." / "." / "x"));
}

TEST(TrustedFile, IsNotOpenedWhereThereIsNone) {
  const test::PluginFolder folder;
  const auto file = open_trusted(folder.path() / "x");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::not_found);
  EXPECT_THAT(file.error().message, HasSubstr("it cannot be opened: No such file"));
  EXPECT_FALSE(open_trusted(""));
  EXPECT_FALSE(open_trusted("/"));
  EXPECT_FALSE(open_trusted("/etc/passwd/x"));
}

}  // namespace
}  // namespace espalier::load
