// SPDX-License-Identifier: Apache-2.0
//
// Plugins whose probes cannot even be started.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <load/probe.hpp>
#include <unit/sanitized.hpp>

#include <chrono>
#include <initializer_list>
#include <string>
#include <vector>

#include "plugin_folder.hpp"

namespace espalier::load {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

class Probe : public testing::Test {
 protected:
  // More than are tried at once.
  std::vector<ProbeAnswer> answers(const std::filesystem::path& helper) const {
    Manifest manifest;
    manifest.name = "plain";
    ProbeRequest request;
    request.manifest = &manifest;
    request.image = STDIN_FILENO;
    const std::vector<ProbeRequest> requests(20, request);
    return probe_all(helper, requests, std::chrono::seconds(60));
  }

  test::PluginFolder folder_;
};

// With no child to wait for there is nothing to wait for: far less than a probe's own limit.
TEST_F(Probe, ThatCannotBeStartedIsSaidAtOnce) {
  const auto helper = folder_.path() / "espalier-probe";
  test::write_file(helper, "no program");
  test::PluginFolder::chmod(helper, 0755);
  const auto start = std::chrono::steady_clock::now();
  const auto given = answers(helper);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(given.size(), 20u);
  EXPECT_THAT(given, Each(Field(&ProbeAnswer::rejected,
                                testing::AllOf(HasSubstr("it cannot be probed: cannot run"),
                                               HasSubstr("Exec format error")))));
}

// A busy machine is no reason to lose an accelerator. The helper here hangs the first time.
TEST_F(Probe, ThatTakesTooLongBesideOthersIsTriedOnceMoreAlone) {
  const auto helper = folder_.path() / "espalier-probe";
  test::write_file(helper, "#!/bin/sh\nmkdir \"$0.$1\" 2>/dev/null && exec sleep 60\nexit 7\n");
  test::PluginFolder::chmod(helper, 0755);
  const auto reasons = [&](std::initializer_list<const char*> names) {
    std::vector<Manifest> manifests;
    for (const char* name : names) manifests.emplace_back().name = name;
    std::vector<ProbeRequest> requests;
    for (const Manifest& manifest : manifests) requests.push_back({&manifest, STDIN_FILENO, ""});
    std::vector<std::string> given;
    for (auto& answer : probe_all(helper, requests, std::chrono::seconds(4)))
      given.push_back(answer.rejected);
    return given;
  };
  EXPECT_THAT(reasons({"one", "two"}), Each(HasSubstr("its probe exited with status 7")));
  EXPECT_THAT(reasons({"lone"}), ElementsAre("its probe did not end within 4 s"))
      << "it was alone already";
}

TEST_F(Probe, ThatHasNoDescriptorsLeftIsSaidAtOnce) {
  if (kSanitized) GTEST_SKIP() << "not under a sanitizer, which asks a pipe what it may read";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    const rlimit none{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto given = answers("/bin/true");
    ::_exit(given.back().rejected == "it cannot be probed: cannot make a pipe: Too many open files"
                ? 0
                : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the sentence is another";
}

}  // namespace
}  // namespace espalier::load
