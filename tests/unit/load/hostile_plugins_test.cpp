// SPDX-License-Identifier: Apache-2.0
//
// Law 6: one bad plugin harms no other. Each hostile plugin of tests/plugins lies in one folder
// with a good one; it is named with its reason, and the good one works.
#include "plugin_folder.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>
#include <unit/places.hpp>

#include <chrono>
#include <thread>

namespace espalier::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Hostile {
  const char* plugin;
  const char* reason;
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.plugin; }

class HostilePlugin : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostilePlugin, IsNamedWithItsReasonAndHarmsNoOther) {
  const auto [plugin, reason] = GetParam();
  PluginFolder folder;
  folder.add(plugin);
  folder.add("good");
  const LoadedRegistry loaded(
      {.folders = {folder.path()}, .probe_limit = std::chrono::seconds(60)});

  const BackendInfo bad = loaded.find(plugin);
  EXPECT_EQ(std::filesystem::path(bad.path).filename(), std::string(plugin) + ".so");
  EXPECT_THAT(bad.rejected, HasSubstr(reason));
  EXPECT_THAT(bad.devices, IsEmpty());
  EXPECT_FALSE(loaded->open(plugin, "zoo"));

  EXPECT_EQ(loaded.find("good").rejected, "");
  expect_working(*loaded, "good", "cpu");
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, HostilePlugin,
    ::testing::Values(
        Hostile{"no_symbol", "does not export the data symbol espalier_plugin"},
        Hostile{"no_manifest", "has no section .espalier.manifest"},
        Hostile{"other_abi", "speaks plugin ABI 2.0, this program 1.0"},
        Hostile{"abi_disagrees", "its entry says ABI 1.9, its manifest 1.0"},
        Hostile{"bad_magic", "its entry begins with 0xdeadbeef"},
        Hostile{"no_negotiate", "its entry has no negotiate function"},
        Hostile{"needs_cpu", "needs CPU features that this machine has not: warp_drive"},
        Hostile{"misses_a_library_function", "undefined symbol: nobody_has_this_function"},
        Hostile{"throws", "cannot start: the card is on fire"},
        Hostile{"throws_raw", "an exception left its C functions"},
        Hostile{"needs_hardware", "cannot start: no such card in this machine"},
        Hostile{"speaks_nonsense", "status 77, which is not one of the ABI"},
        Hostile{"exits", "its probe exited with status 7"},
        Hostile{"exits_with_zero", "its probe exited with status 0 before it was done"},
        Hostile{"aborts", "its probe was killed by signal 6 (SIGABRT)"},
        Hostile{"segfaults", "its probe "},  // was killed; under the sanitizers it exits
        Hostile{"crashes_in_close", "its probe was killed by signal 6 (SIGABRT)"},
        Hostile{"gives_no_backend", "it gave no backend table"},
        Hostile{"says_size_zero", "its backend table says struct_size 0"},
        Hostile{"lacks_close", "its backend table has no close function"},
        Hostile{"lacks_process", "its userspace table has no process function"},
        Hostile{"lacks_userspace", "has a userspace device, 'zoo', but no userspace table"},
        Hostile{"claims_billions", "says that it has 4294967295 devices"},
        Hostile{"never_ends_its_name", "its device name"},
        Hostile{"says_device_size_zero", "its device info says struct_size 0"},
        Hostile{"has_twins", "it has two devices named 'zoo'"},
        Hostile{"invents_a_dataplane", "its dataplane is 3"},
        Hostile{"invents_a_cipher", "device 'zoo': its cipher is 999"},
        Hostile{"overfills_its_pool", "its pool 'sessions' has 9 of 8 in use"}),
    [](const auto& test) { return std::string(test.param.plugin); });

// All at once, because they must not wait for each other; then each once more, alone.
TEST(HangingPlugins, AreKilledAfterTheLimitWhereverTheyHang) {
  PluginFolder folder;
  for (const char* plugin : {"hangs_at_load", "hangs_in_negotiate", "hangs_in_enumerate", "good"})
    folder.add(plugin);
  const LoadedRegistry loaded({.folders = {folder.path()}, .probe_limit = std::chrono::seconds(3)});
  for (const char* plugin : {"hangs_at_load", "hangs_in_negotiate", "hangs_in_enumerate"})
    EXPECT_EQ(loaded.find(plugin).rejected,
              "its probe did not end within 3 s; nor did a second one, which ran alone");
  expect_working(*loaded, "good", "cpu");
}

TEST(PrintingPlugin, IsUsedAndItsPrintingIsLogged) {
  PluginFolder folder;
  folder.add("prints");
  const LoadedRegistry loaded(folder.path());
  EXPECT_THAT(loaded.logged, Contains(AllOf(HasSubstr("prints: "), HasSubstr("look at me"))));
  expect_working(*loaded, "prints", "zoo");
}

// Processes whose command line names this build's probe and that plugin.
int probes_of(const std::string& plugin) {
  const std::string wanted =
      std::string(ESPALIER_BINARY_DIR) + "/bin/espalier-probe" + '\0' + plugin + '\0';
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line(std::istreambuf_iterator<char>(file), {});
    count += line == wanted ? 1 : 0;
  }
  return count;
}

class ForkingPlugin : public ::testing::TestWithParam<const char*> {};

TEST_P(ForkingPlugin, IsSetAsideAndItsChildIsKilled) {
  PluginFolder folder;
  folder.add(GetParam());
  const LoadedRegistry loaded(
      {.folders = {folder.path()}, .probe_limit = std::chrono::seconds(60)});
  ASSERT_TRUE(loaded.registry);
  EXPECT_EQ(loaded.find(GetParam()).rejected,
            "it started a process that runs on after its backend was closed");
  // A killed process needs a moment to be gone.
  for (int i = 0; i < 600 && probes_of(GetParam()) > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(probes_of(GetParam()), 0);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ForkingPlugin, ::testing::Values("forks", "daemonizes"),
                         [](const auto& test) { return std::string(test.param); });

TEST(PluginThatRunsAProgram, IsUsedIfThatHasEnded) {
  PluginFolder folder;
  folder.add("runs_a_program");
  const LoadedRegistry loaded(folder.path());
  EXPECT_EQ(loaded.find("runs_a_program").rejected, "");
  expect_working(*loaded, "runs_a_program", "zoo");
}

// ---- Files that are not to be trusted -----------------------------------------------------------

class UntrustedFile : public ::testing::Test {
 protected:
  // The reason for which the file bad.so was set aside, beside a good one that works.
  std::string reason() {
    folder.add("good");
    const LoadedRegistry loaded(folder.path());
    expect_working(*loaded, "good", "cpu");
    return loaded.find("bad").rejected;
  }

  PluginFolder folder;
};

TEST_F(UntrustedFile, IsOneThatAnybodyCanWrite) {
  PluginFolder::chmod(folder.add("plain", "bad"), 0757);
  EXPECT_THAT(reason(), HasSubstr("can be changed by its group or by anybody (mode 0757)"));
}

TEST_F(UntrustedFile, IsOneThatItsGroupCanWrite) {
  PluginFolder::chmod(folder.add("plain", "bad"), 0775);
  EXPECT_THAT(reason(), HasSubstr("can be changed by its group (mode 0775): chmod go-w"));
}

TEST_F(UntrustedFile, IsOneOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to another user";
  ASSERT_EQ(chown(folder.add("plain", "bad").c_str(), 65534, 0), 0);
  EXPECT_THAT(reason(), HasSubstr("belongs to user 65534, neither to root nor to the user 0"));
}

TEST_F(UntrustedFile, IsASymbolicLinkEvenToAGoodOne) {
  std::filesystem::create_symlink(folder.add("plain"), folder.path() / "bad.so");
  EXPECT_THAT(reason(), HasSubstr("is a symbolic link, which is not followed"));
}

TEST_F(UntrustedFile, IsAFifo) {
  ASSERT_EQ(mkfifo((folder.path() / "bad.so").c_str(), 0600), 0);
  EXPECT_THAT(reason(), HasSubstr("is not a regular file"));
}

TEST_F(UntrustedFile, IsAFolder) {
  std::filesystem::create_directory(folder.path() / "bad.so");
  EXPECT_THAT(reason(), HasSubstr("is not a regular file"));
}

TEST_F(UntrustedFile, IsEmpty) {
  write_file(folder.path() / "bad.so", "");
  EXPECT_THAT(reason(), HasSubstr("it is not an ELF file"));
}

TEST_F(UntrustedFile, IsCutOff) {
  const auto bad = folder.add("plain", "bad");
  std::filesystem::resize_file(bad, std::filesystem::file_size(bad) / 2);
  EXPECT_THAT(reason(), HasSubstr("its section headers lie outside of the file"));
}

TEST(UntrustedFolder, RejectsAllThatIsInItAndNothingElse) {
  PluginFolder open, sticky, closed;
  open.add("plain");
  sticky.add("prints");
  closed.add("good");
  PluginFolder::chmod(open.path(), 0777);
  PluginFolder::chmod(sticky.path(), 01777);
  const LoadedRegistry loaded(
      RegistryOptions{.folders = {open.path(), sticky.path(), closed.path()}});
  EXPECT_THAT(loaded.find("plain").rejected,
              AllOf(HasSubstr(open.path().string()), HasSubstr("(mode 0777)")));
  EXPECT_THAT(loaded.find("prints").rejected, HasSubstr("(mode 1777)"));
  expect_working(*loaded, "good", "cpu");
}

TEST(UntrustedFolder, MayAlsoBeAnAncestor) {
  PluginFolder outer;
  const auto inner = outer.path() / "plugins";
  std::filesystem::create_directory(inner);
  std::filesystem::copy(built("plain"), inner / "plain.so");
  PluginFolder::chmod(outer.path(), 0777);
  EXPECT_THAT(LoadedRegistry(inner).find("plain").rejected, HasSubstr(outer.path().string()));
}

TEST(UntrustedFolder, IsOneThatIsReachedThroughALink) {
  PluginFolder outer, real;
  real.add("plain");
  const auto link = outer.path() / "plugins";
  std::filesystem::create_directory_symlink(real.path(), link);
  EXPECT_THAT(LoadedRegistry(link).find("plain").rejected,
              HasSubstr(link.string() + " is a symbolic link"));
}

// ---- What was checked is what gets loaded -------------------------------------------------------

TEST(SwappedPlugin, IsNotWhatGetsLoadedWhenItWasRenamedOver) {
  PluginFolder folder, other;
  const auto file = folder.add("good");
  const LoadedRegistry loaded(folder.path());
  std::filesystem::rename(other.add("segfaults"), file);
  expect_working(*loaded, "good", "cpu");
}

TEST(SwappedPlugin, IsNotWhatGetsLoadedWhenItWasWrittenOver) {
  PluginFolder folder;
  const auto file = folder.add("good");
  const LoadedRegistry loaded(folder.path());
  write_file(file, std::string(std::filesystem::file_size(file), 'x'));
  expect_working(*loaded, "good", "cpu");
}

}  // namespace
}  // namespace espalier::test
