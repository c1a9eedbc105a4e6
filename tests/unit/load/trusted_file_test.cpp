// SPDX-License-Identifier: Apache-2.0
#include "plugin_folder.hpp"

#include <gmock/gmock.h>
#include <load/trusted_file.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

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
  return distrust(found(mode, owner), role, {.user = kMe}).empty();
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

// ---- A user namespace that does not map root ------------------------------------------------

constexpr uid_t kOverflow = 65534;

TEST(UnmappedOwner, IsTheOverflowUserWhereRootIsNotMapped) {
  EXPECT_EQ(unmapped_owner("         0       1000          1\n", kOverflow), kOverflow);
  EXPECT_EQ(unmapped_owner("1000 1000 1\n", kOverflow), kOverflow);
  EXPECT_EQ(unmapped_owner("", kOverflow), kOverflow) << "a namespace that maps nobody at all";
}

TEST(UnmappedOwner, IsNobodyWhereRootIsMapped) {
  EXPECT_EQ(unmapped_owner("         0          0 4294967295\n", kOverflow), std::nullopt);
  EXPECT_EQ(unmapped_owner("0 0 1\n", kOverflow), std::nullopt);
  EXPECT_EQ(unmapped_owner("0 1000 1\n1 0 1\n", kOverflow), std::nullopt);
}

TEST(UnmappedOwner, IsNobodyWhereTheOverflowUserIsAUserOfTheNamespace) {
  EXPECT_EQ(unmapped_owner("0 1000 1\n1 100000 65536\n", kOverflow), std::nullopt);
  EXPECT_EQ(unmapped_owner("0 1000 1\n1 100000 65533\n", kOverflow), kOverflow);
}

bool trusted_unmapped(mode_t mode, PathRole role, bool below_shared = false) {
  const Viewer viewer{.user = 0, .unmapped = kOverflow};
  return distrust(found(mode, kOverflow), role, viewer, below_shared).empty();
}

TEST(UnmappedOwner, CountsAsRoot) {
  EXPECT_TRUE(trusted_unmapped(S_IFDIR | 0755, PathRole::ancestor));
  EXPECT_TRUE(trusted_unmapped(S_IFDIR | 0755, PathRole::folder));
  EXPECT_TRUE(trusted_unmapped(S_IFREG | 0644, PathRole::file));
  EXPECT_TRUE(trusted_unmapped(S_IFDIR | S_ISVTX | 0777, PathRole::ancestor));
}

TEST(UnmappedOwner, IsHeldToTheSameModes) {
  EXPECT_FALSE(trusted_unmapped(S_IFDIR | 0777, PathRole::ancestor));
  EXPECT_FALSE(trusted_unmapped(S_IFDIR | 0775, PathRole::folder));
  EXPECT_FALSE(trusted_unmapped(S_IFREG | 0664, PathRole::file));
}

TEST(UnmappedOwner, IsNotTrustedBelowAFolderThatAnybodyCanWriteTo) {
  for (const auto role : {PathRole::ancestor, PathRole::folder})
    EXPECT_FALSE(trusted_unmapped(S_IFDIR | 0755, role, true));
  EXPECT_FALSE(trusted_unmapped(S_IFREG | 0644, PathRole::file, true));
}

TEST(UnmappedOwner, IsNotTrustedOutsideOfSuchANamespace) {
  EXPECT_FALSE(distrust(found(S_IFREG | 0644, kOverflow), PathRole::file, {.user = 0}).empty());
}

// Ends the process: 0 where the file was opened, 1 where it was refused with `why` in the reason.
[[noreturn]] void open_in_a_user_namespace(const std::filesystem::path& path,
                                           const std::string& why = "") {
  if (geteuid() == 0 && setresuid(23456, 23456, 23456) != 0) _exit(2);
  const std::string map = "0 " + std::to_string(geteuid()) + " 1\n";
  // Another user's process is not dumpable, and its /proc/self/uid_map is root's.
  if (prctl(PR_SET_DUMPABLE, 1) != 0 || unshare(CLONE_NEWUSER) != 0) _exit(3);
  if (!(std::ofstream("/proc/self/uid_map") << map << std::flush)) _exit(3);
  const auto file = open_trusted(path);
  if (file) _exit(0);
  std::cerr << file.error().message << std::endl;
  _exit(file.error().message.find(why) == std::string::npos ? 4 : 1);
}

class InAUserNamespace : public ::testing::Test {
 protected:
  void SetUp() override {
    const pid_t child = fork();
    if (child == 0) open_in_a_user_namespace("/etc/passwd");
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
      GTEST_SKIP() << "this machine lets an ordinary user make no user namespace";
  }

  // A file of the user in the namespace, below the sticky /tmp.
  std::filesystem::path own_file() {
    const auto path = folder_.path() / "x";
    test::write_file(path, "text");
    if (geteuid() == 0) {
      for (const auto& step : {folder_.path(), path})
        EXPECT_EQ(chown(step.c_str(), 23456, 23456), 0);
    }
    return path;
  }

 private:
  const test::PluginFolder folder_;
};

TEST_F(InAUserNamespace, FilesOfTheSystemAreTrusted) {
  EXPECT_EXIT(open_in_a_user_namespace("/etc/passwd"), ::testing::ExitedWithCode(0), "");
}

TEST_F(InAUserNamespace, OnesOwnFilesAreTrustedBelowFoldersOfTheSystem) {
  EXPECT_EXIT(open_in_a_user_namespace(own_file()), ::testing::ExitedWithCode(0), "");
}

TEST_F(InAUserNamespace, FilesOfOthersBelowASharedFolderAreNot) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to another user";
  const auto path = own_file();
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_EXIT(open_in_a_user_namespace(path, "does not know, below a folder"),
              ::testing::ExitedWithCode(1), "");
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
