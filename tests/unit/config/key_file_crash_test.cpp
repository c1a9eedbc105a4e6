// SPDX-License-Identifier: Apache-2.0
//
// Law 1 at every moment: processes that race for a key file, die in the middle of a claim, lose
// power, or have a disk that fails. Keys are given once, or not at all.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <config/key_file_claim.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>

#include "key_file_fixture.hpp"

namespace {

// What fsync() was called for, as long as a test listens; and which call of it fails.
struct SyncLog {
  bool listening = false;
  int fail_at = -1;
  std::vector<std::string> paths;
};

SyncLog& sync_log() {
  static SyncLog log;
  return log;
}

}  // namespace

// Stands in for the C library's in this program.
extern "C" int fsync(int descriptor) {
  SyncLog& log = sync_log();
  if (log.listening) {
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    log.paths.push_back(std::filesystem::read_symlink(link).string());
    if (static_cast<int>(log.paths.size()) - 1 == log.fail_at) {
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace espalier {
namespace {

using config::ClaimStep;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr ClaimStep kSteps[] = {ClaimStep::read,          ClaimStep::recorded,
                                ClaimStep::record_synced, ClaimStep::state_synced,
                                ClaimStep::renamed,       ClaimStep::folder_synced};

constexpr int kGotKeys = 0;
constexpr int kRefused = 1;
constexpr int kDied = 2;

class ClaimCrash : public KeyFileTest {
 protected:
  // Claims in a process of its own, which dies after `step`, and gives how that ended.
  int claim_and_die(ClaimStep step) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto pool = SecretPool::create();
      const auto keys = config::claim_in_steps(left_, state_, **pool, "left", [&](ClaimStep done) {
        if (done == step) ::_exit(kDied);
      });
      ::_exit(keys ? kGotKeys : kRefused);
    }
    return wait_for(child);
  }

  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // Several processes at once, each with a file and a state directory: how many get keys.
  int race(const std::vector<std::filesystem::path>& files,
           const std::vector<std::filesystem::path>& states) {
    int start[2];
    if (::pipe(start) != 0) return -1;
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        auto pool = SecretPool::create();
        ::close(start[1]);
        char go = 0;
        [[maybe_unused]] const ssize_t end = ::read(start[0], &go, 1);  // ends when all may start
        ::_exit(claim_key_file(files[i], states[i], **pool, "left") ? kGotKeys : kRefused);
      }
      children.push_back(child);
    }
    ::close(start[0]);
    ::close(start[1]);
    int winners = 0;
    for (const pid_t child : children) winners += wait_for(child) == kGotKeys ? 1 : 0;
    return winners;
  }

  // Runs `work` in a process that can make files but write nothing into them: does it say false?
  static bool refuses_on_a_full_disk(const std::function<bool()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit nothing{0, 0};
      ::setrlimit(RLIMIT_FSIZE, &nothing);
      ::_exit(work() ? kGotKeys : kRefused);
    }
    return wait_for(child) == kRefused;
  }

  void start_over() {
    for (const auto& path : {keys_, state_}) std::filesystem::remove_all(path);
    generate();
  }

  std::filesystem::path record() const {
    for (const auto& entry : std::filesystem::directory_iterator(state_)) return entry.path();
    return {};
  }
};

TEST_F(ClaimCrash, AProcessThatDiesBeforeTheRecordLeavesTheKeysClaimable) {
  generate();
  ASSERT_EQ(claim_and_die(ClaimStep::read), kDied);
  EXPECT_TRUE(claim(left_, "left"));
}

TEST_F(ClaimCrash, AProcessThatDiesAfterTheRecordHasUsedThemUp) {
  for (const ClaimStep step : kSteps) {
    if (step == ClaimStep::read) continue;
    start_over();
    ASSERT_EQ(claim_and_die(step), kDied);
    EXPECT_THAT(refusal(left_, "left"), HasSubstr("one-time keys serve one run"))
        << "after step " << static_cast<int>(step);
    EXPECT_THAT(refusal(left_, "left"), HasSubstr("one-time keys serve one run"))
        << "a third claim after step " << static_cast<int>(step);
  }
}

// Power fails after each step: whatever was not synced by then may be lost, each or both. Keys that
// were given (after the last step) must be refused ever after; and keys that are then given to one
// run must never be given to another.
TEST_F(ClaimCrash, LosingWhatWasNotSyncedNeverGivesKeysTwice) {
  for (const ClaimStep step : kSteps)
    for (const bool lose_record : {false, true})
      for (const bool lose_rename : {false, true}) {
        const bool record_volatile = step >= ClaimStep::recorded && step < ClaimStep::state_synced;
        const bool rename_volatile = step == ClaimStep::renamed;
        if ((lose_record && !record_volatile) || (lose_rename && !rename_volatile)) continue;
        start_over();
        ASSERT_EQ(claim_and_die(step), kDied);
        if (lose_record) std::filesystem::remove(record());
        if (lose_rename) std::filesystem::rename(keys_ / "left.keys.used", left_);
        int given = step == ClaimStep::folder_synced ? 1 : 0;  // the next thing is to give them
        for (int attempt = 0; attempt < 2; ++attempt) given += claim(left_, "left") ? 1 : 0;
        EXPECT_LE(given, 1) << "step " << static_cast<int>(step) << ", record lost " << lose_record
                            << ", rename lost " << lose_rename;
      }
}

TEST_F(ClaimCrash, EverythingIsOnDiskBeforeKeysAreGiven) {
  generate();
  std::filesystem::create_directory(state_);
  ::chmod(state_.c_str(), 0700);
  SyncLog& log = sync_log();
  log = {.listening = true, .fail_at = -1, .paths = {}};
  std::vector<std::size_t> synced_after;  // how many syncs there were when each step was done
  const auto keys = config::claim_in_steps(left_, state_, *secrets_, "left", [&](ClaimStep) {
    synced_after.push_back(log.paths.size());
  });
  log.listening = false;
  ASSERT_TRUE(keys) << keys.error().message;
  const auto real = [](const std::filesystem::path& path) {
    return std::filesystem::canonical(path).string();
  };
  const std::string used = real(keys_ / "left.keys.used");  // overwritten once all is on disk
  EXPECT_THAT(log.paths, ElementsAre(real(record()), real(state_), real(keys_), used, used));
  EXPECT_THAT(synced_after, ElementsAre(0, 0, 1, 2, 2, 3)) << "renamed only when recorded on disk";
}

TEST_F(ClaimCrash, AStateDirectoryThatIsMadeIsOnDiskToo) {
  generate();
  SyncLog& log = sync_log();
  log = {.listening = true, .fail_at = -1, .paths = {}};
  const auto keys = claim_key_file(left_, folder_ / "a/b", *secrets_, "left");
  log.listening = false;
  ASSERT_TRUE(keys);
  ASSERT_GE(log.paths.size(), 2U);
  EXPECT_EQ(log.paths[0], std::filesystem::canonical(folder_).string()) << "for its entry a";
  EXPECT_EQ(log.paths[1], std::filesystem::canonical(folder_ / "a").string()) << "for its entry b";
}

// What a disk does that allots blocks only when it must, and is full then.
TEST_F(ClaimCrash, ARecordThatDoesNotReachTheDiskUsesUpNothing) {
  generate();
  SyncLog& log = sync_log();
  std::filesystem::create_directory(state_);
  ::chmod(state_.c_str(), 0700);
  log = {.listening = true, .fail_at = 0, .paths = {}};
  const std::string sentence = refusal(left_, "left");
  log.listening = false;
  EXPECT_THAT(sentence, HasSubstr("Input/output error"));
  EXPECT_TRUE(std::filesystem::is_empty(state_));
  EXPECT_TRUE(claim(left_, "left"));
}

TEST_F(ClaimCrash, AFullDiskUsesUpNothingAndLeavesNothing) {
  generate();
  EXPECT_TRUE(refuses_on_a_full_disk([&] { return claim(left_, "left").has_value(); }));
  EXPECT_TRUE(std::filesystem::is_empty(state_)) << "a claim that nobody made";
  EXPECT_TRUE(claim(left_, "left"));
}

TEST_F(ClaimCrash, AFullDiskLeavesNoKeyFileThatIsNone) {
  const GatewayConfig config = config_of(base());
  EXPECT_TRUE(refuses_on_a_full_disk(
      [&] { return generate_key_files(config, keys_, *secrets_).has_value(); }));
  EXPECT_TRUE(std::filesystem::is_empty(keys_));
  generate();
}

TEST_F(ClaimCrash, ADiskThatFailsGivesNoKeys) {
  for (int call = 1; call < 3; ++call) {
    start_over();
    std::filesystem::create_directory(state_);
    ::chmod(state_.c_str(), 0700);
    SyncLog& log = sync_log();
    log = {.listening = true, .fail_at = call, .paths = {}};
    const std::string sentence = refusal(left_, "left");
    log.listening = false;
    EXPECT_THAT(sentence, HasSubstr("Input/output error")) << "sync " << call;
    EXPECT_THAT(refusal(left_, "left"), HasSubstr("one-time keys serve one run"))
        << "sync " << call;
  }
}

TEST_F(ClaimCrash, OfManyProcessesExactlyOneWins) {
  for (int round = 0; round < 20; ++round) {
    start_over();
    EXPECT_EQ(race(std::vector(6, left_), std::vector(6, state_)), 1) << "round " << round;
  }
}

TEST_F(ClaimCrash, OfManyProcessesWithStatesOfTheirOwnExactlyOneWins) {
  for (int round = 0; round < 20; ++round) {
    start_over();
    std::vector<std::filesystem::path> states;
    for (int i = 0; i < 6; ++i) states.push_back(state_ / std::to_string(i));
    EXPECT_EQ(race(std::vector(6, left_), states), 1) << "round " << round;
    std::filesystem::remove_all(state_);
  }
}

TEST_F(ClaimCrash, OfManyCopiesExactlyOneWins) {
  for (int round = 0; round < 20; ++round) {
    start_over();
    std::vector<std::filesystem::path> copies;
    for (int i = 0; i < 6; ++i) {
      copies.push_back(keys_ / ("copy" + std::to_string(i)));
      std::filesystem::copy(left_, copies.back());
    }
    EXPECT_EQ(race(copies, std::vector(6, state_)), 1) << "round " << round;
  }
}

TEST_F(ClaimCrash, ALockedFileIsRefusedAndSaysWhy) {
  generate();
  // The hook runs in the middle of the first claim, when it holds the lock.
  std::string sentence;
  const auto keys = config::claim_in_steps(left_, state_, *secrets_, "left", [&](ClaimStep step) {
    if (step == ClaimStep::read) sentence = refusal(left_, "left");
  });
  EXPECT_TRUE(keys);
  EXPECT_THAT(sentence,
              HasSubstr("another process is claiming the keys of 'keys/left.keys' right now"));
}

}  // namespace
}  // namespace espalier
