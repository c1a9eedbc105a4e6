// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <load/child.hpp>
#include <load/probe.hpp>
#include <load/sealed_image.hpp>

#include <fcntl.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace espalier::load {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Runs a shell script as a child to its end.
ChildEnd run(const std::string& script, std::string input = "",
             std::chrono::milliseconds limit = std::chrono::seconds(60),
             bool binds_early = false) {
  const std::uint8_t image_bytes[] = {'i', 'm', 'g'};
  const auto image = seal(image_bytes, "image").value();
  auto child = Child::start({.path = "/bin/sh",
                             .arguments = {"-c", script},
                             .image = image.get(),
                             .input = std::move(input),
                             .binds_early = binds_early,
                             .limit = limit});
  if (!child) {
    ADD_FAILURE() << child.error().message;
    return {};
  }
  for (;;) {
    if (auto end = child->advance()) return std::move(*end);
    auto watched = child->watched();
    ::poll(watched.data(), watched.size(), 100);
  }
}

TEST(Child, ReportsThroughItsPipe) {
  const auto end = run("echo done >&4");
  EXPECT_EQ(end.how, ChildEnd::How::exited);
  EXPECT_EQ(end.number, 0);
  EXPECT_EQ(end.report, "done\n");
  EXPECT_EQ(end.output, "");
}

TEST(Child, GetsItsInputAndTheImage) {
  EXPECT_EQ(run("cat >&4; cat <&3 >&4", "options ").report, "options img");
}

TEST(Child, FindsItsFunctionsEarlyWhereThatIsAsked) {
  constexpr auto kLimit = std::chrono::seconds(60);
  EXPECT_EQ(run("echo $LD_BIND_NOW >&4", "", kLimit, true).report, "1\n");
  EXPECT_EQ(run("echo $LD_BIND_NOW >&4", "", kLimit, false).report, "\n");
}

TEST(Child, GivesReportsLongerThanAPipeHolds) {
  EXPECT_EQ(run("head -c 1000000 /dev/zero >&4").report.size(), 1'000'000u);
}

TEST(Child, IsEndedWhenItsReportHasNoEnd) {
  EXPECT_EQ(run("cat /dev/zero >&4").how, ChildEnd::How::too_much);
}

TEST(Child, KeepsTheBeginningOfWhatIsPrinted) {
  const auto end = run("echo out; echo err >&2; head -c 1000000 /dev/zero; echo done >&4");
  EXPECT_TRUE(end.output.starts_with("out\nerr\n"));
  EXPECT_EQ(end.output.size(), Child::kOutputKept);
  EXPECT_EQ(end.report, "done\n");
}

TEST(Child, SaysHowItEnded) {
  EXPECT_EQ(run("exit 7").number, 7);
  const auto killed = run("kill -SEGV $$");
  EXPECT_EQ(killed.how, ChildEnd::How::killed);
  EXPECT_EQ(killed.number, SIGSEGV);
}

// That the process of that number ends; a zombie that nobody has reaped has ended.
void expect_ending(const std::string& pid) {
  char state = '?';
  for (int i = 0; i < 600; ++i) {
    std::ifstream file("/proc/" + std::to_string(std::stoi(pid)) + "/stat");
    std::string id, name;
    if (!(file >> id >> name >> state) || state == 'Z') return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ADD_FAILURE() << "process " << pid << " is still there, in state " << state;
}

TEST(Child, IsKilledWhenItsTimeIsOver) {
  const auto end = run("echo $$ >&4; sleep 1000", "", std::chrono::seconds(3));
  EXPECT_EQ(end.how, ChildEnd::How::timed_out);
  expect_ending(end.report);
}

TEST(Child, IsKilledWithWhatItHasStarted) {
  const auto end = run("sleep 1000 & echo $! >&4; wait", "", std::chrono::seconds(3));
  EXPECT_EQ(end.how, ChildEnd::How::timed_out);
  expect_ending(end.report);
}

TEST(Child, IsNotWaitedForBecauseOfWhoHoldsItsPipes) {
  const auto end = run("sleep 1000 & echo $! >&4");
  EXPECT_EQ(end.how, ChildEnd::How::exited);
  expect_ending(end.report);
}

TEST(Child, InheritsNoDescriptorButItsOwn) {
  const Descriptor kept(fcntl(STDOUT_FILENO, F_DUPFD, 200));  // inheritable
  ASSERT_TRUE(kept);
  const std::string path = "/proc/self/fd/" + std::to_string(kept.get());
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(run("test -e " + path + " || echo none >&4").report, "none\n");
}

TEST(Child, InheritsNoSecretsFromTheEnvironment) {
  setenv("ESPALIER_TEST_KEY", "secret", 1);
  const auto end = run("env >&4");
  unsetenv("ESPALIER_TEST_KEY");
  EXPECT_THAT(end.report, HasSubstr("PATH="));
  EXPECT_THAT(end.report, Not(HasSubstr("secret")));
}

TEST(Child, HasNoSignalBlocked) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const auto end = run("grep SigBlk /proc/self/status >&4");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(end.report, HasSubstr("0000000000000000"));
}

TEST(Child, SaysWhichProgramCannotBeRun) {
  const auto child = Child::start({.path = "/nonexistent/program",
                                   .arguments = {},
                                   .image = 0,
                                   .input = "",
                                   .limit = std::chrono::seconds(1)});
  ASSERT_FALSE(child);
  EXPECT_THAT(child.error().message, HasSubstr("cannot run /nonexistent/program"));
}

// ---- What its end says of a plugin --------------------------------------------------------------

class Verdict : public ::testing::Test {
 protected:
  std::string of(ChildEnd end) const {
    return verdict(end, manifest, std::chrono::milliseconds(1500));
  }
  Manifest manifest{
      .abi_major = 1, .abi_minor = 0, .name = "card", .vendor = "", .version = "", .cpu = {}};
};

TEST_F(Verdict, NamesTheSignalAndTheLastWords) {
  EXPECT_EQ(of({ChildEnd::How::killed, SIGABRT, "", "hello\nassertion failed\n"}),
            "its probe was killed by signal 6 (SIGABRT); its last words: assertion failed");
}

TEST_F(Verdict, NamesTheLimit) {
  EXPECT_EQ(of({ChildEnd::How::timed_out, 0, "", ""}), "its probe did not end within 1.5 s");
}

TEST_F(Verdict, DoesNotBelieveAReportOfOneThatFailed) {
  EXPECT_THAT(of({ChildEnd::How::exited, 3, "{}", ""}), HasSubstr("exited with status 3"));
}

TEST_F(Verdict, DoesNotBelieveNonsense) {
  EXPECT_THAT(of({ChildEnd::How::exited, 0, "{]", ""}), HasSubstr("cannot be read"));
}

TEST_F(Verdict, ShowsNothingThatCouldHarmATerminal) {
  EXPECT_THAT(of({ChildEnd::How::exited, 1, "", "\x1b[2J\n"}), HasSubstr("last words: ?[2J"));
}

}  // namespace
}  // namespace espalier::load
