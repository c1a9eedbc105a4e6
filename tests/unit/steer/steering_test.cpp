// SPDX-License-Identifier: Apache-2.0
#include "steer/steering.hpp"

#include "fake_kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace espalier::steer {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;

const std::string kName = "seqiv(rfc4106(gcm(aes)))";
const std::string kAesni = "seqiv(rfc4106-gcm-aesni-avx)";
const std::string kOldAesni = "seqiv(rfc4106-gcm-aesni)";
const std::string kParallel = "pcrypt(seqiv(rfc4106-gcm-aesni-avx))";
const std::string kGeneric = "seqiv(rfc4106(gcm_base(ctr(aes-generic),ghash-generic)))";

class SteeringTest : public testing::Test {
 protected:
  SteeringTest() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-steer-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    add("seqiv(rfc4106(gcm(aes)))", kAesni, 500);
    natural_ = kernel_.priorities();
    start();
  }
  ~SteeringTest() override {
    steering_.reset();
    journal_.reset();
    std::filesystem::remove_all(folder_);
  }

  void add(const std::string& name, const std::string& driver, std::uint32_t priority) {
    kernel_.add(name, driver, priority);
  }

  // As a process that starts; what it left when it was killed is taken over.
  void start() {
    steering_.reset();
    journal_.reset();
    auto journal = Journal::open(folder_ / "changes.json", kernel_);
    ASSERT_TRUE(journal) << journal.error().message;
    journal_.emplace(std::move(*journal));
    auto steering = Steering::start(kernel_, *journal_, &taken_over_);
    ASSERT_TRUE(steering) << steering.error().message;
    steering_.emplace(std::move(*steering));
  }

  Binding binding(const std::string& driver) {
    auto chosen = steering_->choose((*find_transform("aes128gcm16"))->transform, true, driver, "");
    EXPECT_TRUE(chosen) << (chosen ? "" : chosen.error().message);
    return chosen ? *chosen : Binding{};
  }

  // Adds an SA that is to have the driver; gives what it really got.
  std::string bind(const std::string& driver) {
    std::string got;
    bound_ = steering_->bind(binding(driver), [&]() -> Result<void> {
      got = kernel_.add_sa(kName);
      return {};
    });
    EXPECT_TRUE(bound_) << (bound_ ? "" : bound_.error().message);
    return got;
  }

  bool journal_exists() const { return std::filesystem::exists(folder_ / "changes.json"); }

  std::filesystem::path folder_;
  FakeKernel kernel_;
  std::map<std::string, std::uint32_t> natural_;
  std::optional<Journal> journal_;
  std::optional<Steering> steering_;
  UndoReport taken_over_;
  Result<Bound> bound_;
};

TEST_F(SteeringTest, AnSaGetsTheDriverThatIsAskedFor) {
  EXPECT_EQ(bind("pcrypt(rfc4106-gcm-aesni-avx)"), kParallel);
  EXPECT_TRUE(bound_->inference.inferred) << bound_->inference.why;
  EXPECT_EQ(bind("rfc4106(gcm(aes))"), kAesni);
  EXPECT_TRUE(bound_->inference.inferred) << bound_->inference.why;
  EXPECT_EQ(bind("rfc4106(gcm_base(ctr(aes-generic),ghash-generic))"), kGeneric);
  EXPECT_TRUE(bound_->inference.inferred) << bound_->inference.why;
  EXPECT_EQ(bind("rfc4106-gcm-aesni"), kOldAesni);
  EXPECT_TRUE(bound_->inference.inferred) << bound_->inference.why;
}

TEST_F(SteeringTest, WhoAddsAnSaAfterwardsGetsWhatItAlwaysGot) {
  bind("pcrypt(rfc4106-gcm-aesni-avx)");
  bind("rfc4106(gcm_base(ctr(aes-generic),ghash-generic))");
  EXPECT_EQ(kernel_.add_sa(kName), kAesni);
}

TEST_F(SteeringTest, AnSaThatSomebodyAddsMeanwhileMakesItUnknown) {
  const auto bound =
      steering_->bind(binding("pcrypt(rfc4106-gcm-aesni-avx)"), [&]() -> Result<void> {
        kernel_.add_sa(kName);
        kernel_.add_sa(kName);
        return {};
      });
  ASSERT_TRUE(bound);
  EXPECT_FALSE(bound->inference.inferred);
  EXPECT_THAT(bound->inference.why, HasSubstr("2 users more"));
}

TEST_F(SteeringTest, APartThatTheKernelDoesNotHaveIsTold) {
  const auto bound = steering_->bind(binding("rfc4106(gcm_base(ctr(aes-generic),ghash-x))"),
                                     []() -> Result<void> { return {}; });
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, ErrorCode::not_found);
  ASSERT_TRUE(undo(*journal_, kernel_));
  EXPECT_FALSE(journal_exists());
}

TEST_F(SteeringTest, APartThatDoesSomethingElseIsTold) {
  const Binding wrong{kName, "seqiv(rfc4106(gcm_base(ctr(aes-generic),sha1-generic)))", {}, 0};
  const auto bound = steering_->bind(wrong, []() -> Result<void> { return {}; });
  ASSERT_FALSE(bound);
  EXPECT_THAT(bound.error().message, HasSubstr("and the SA needs"));
}

TEST_F(SteeringTest, AnSaThatIsRefusedLeavesThePrioritiesAsTheyWere) {
  const auto bound = steering_->bind(binding("rfc4106-gcm-aesni"), []() -> Result<void> {
    return fail(ErrorCode::capacity, "no room");
  });
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().message, "no room");
  EXPECT_EQ(kernel_.find(kOldAesni)->priority, 400u);
}

TEST_F(SteeringTest, NothingIsChangedBeforeItIsOnDisk) {
  kernel_.on_change = [&](const CryptoRequest& request) {
    std::ifstream file(folder_ / "changes.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto said = changes_from_json(text, kernel_.boot_id);
    ASSERT_TRUE(said) << said.error().message;
    if (request.verb == CryptoVerb::make) {
      EXPECT_THAT(said->made, Contains(request.driver));
      return;
    }
    const auto entry = std::ranges::find(said->priorities, request.driver, &PriorityChange::driver);
    ASSERT_NE(entry, said->priorities.end());
    EXPECT_TRUE(entry->before == request.priority ||
                std::ranges::find(entry->ours, *request.priority) != entry->ours.end());
  };
  bind("pcrypt(rfc4106-gcm-aesni-avx)");
  bind("rfc4106-gcm-aesni");
  ASSERT_TRUE(steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  bind("rfc4106-gcm-aesni");
  EXPECT_GE(kernel_.requests.size(), 8u);
}

// Whenever a process is killed, the next one makes it as it was. `at`: before which change.
TEST_F(SteeringTest, ACrashBeforeAnyChangeIsUndoneByTheNextOne) {
  for (std::size_t at = 0; at < 12; ++at) {
    SCOPED_TRACE(at);
    std::size_t change = 0;
    struct Killed {};
    kernel_.on_change = [&](const CryptoRequest&) {
      if (change++ == at) throw Killed{};
    };
    try {
      (void)steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)"));
      bind("rfc4106-gcm-aesni");
      kernel_.remove_sa(kOldAesni);
      bind("rfc4106(gcm(aes))");
      kernel_.remove_sa(kAesni);
    } catch (const Killed&) {
    }
    kernel_.on_change = nullptr;
    for (Algorithm& each : kernel_.algorithms) each.refcnt = 1;  // its SAs are deleted
    start();
    for (const auto& [driver, priority] : natural_)
      EXPECT_EQ(kernel_.find(driver)->priority, priority) << driver;
    EXPECT_EQ(kernel_.find(kParallel), nullptr);
    EXPECT_FALSE(journal_exists());
  }
}

TEST_F(SteeringTest, AnInstanceThatSasUseStaysAtRestUntilTheyHaveGone) {
  EXPECT_EQ(bind("pcrypt(rfc4106-gcm-aesni-avx)"), kParallel);
  auto report = undo(*journal_, kernel_);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->left, ElementsAre(HasSubstr("until its SAs have gone")));
  EXPECT_EQ(kernel_.find(kParallel)->priority, 0u);
  EXPECT_EQ(kernel_.add_sa(kName), kAesni);
  kernel_.remove_sa(kParallel);
  start();
  EXPECT_EQ(kernel_.find(kParallel), nullptr);
  EXPECT_FALSE(journal_exists());
}

TEST_F(SteeringTest, WhatIsHeldIsWhatEverybodyGets) {
  ASSERT_TRUE(steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  EXPECT_EQ(kernel_.add_sa(kName), kParallel);
  kernel_.requests.clear();
  EXPECT_EQ(bind("pcrypt(rfc4106-gcm-aesni-avx)"), kParallel);
  EXPECT_THAT(kernel_.requests, IsEmpty());
  EXPECT_EQ(bind("rfc4106-gcm-aesni"), kOldAesni);
  EXPECT_EQ(kernel_.add_sa(kName), kParallel);
  ASSERT_TRUE(steering_->release(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  EXPECT_EQ(kernel_.add_sa(kName), kAesni);
}

TEST_F(SteeringTest, WhatIsHeldGivesWayWithoutBeingTakenAway) {
  ASSERT_TRUE(steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  const std::string held = kernel_.add_sa(kName);
  EXPECT_EQ(bind("rfc4106(gcm(aes))"), kAesni);
  ASSERT_NE(kernel_.find(held), nullptr) << "raising what it is at work on takes it away";
  EXPECT_EQ(kernel_.find(held)->refcnt, 2u);
}

TEST_F(SteeringTest, AnotherHeldDriverOfTheNameTakesItsPlace) {
  ASSERT_TRUE(steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  ASSERT_TRUE(steering_->hold(binding("rfc4106-gcm-aesni")));
  EXPECT_EQ(kernel_.add_sa(kName), kOldAesni);
  EXPECT_EQ(kernel_.find(kParallel)->priority, 0u);
}

TEST_F(SteeringTest, ANewDriverDoesNotTakeWhatIsHeldAwayForLong) {
  ASSERT_TRUE(steering_->hold(binding("pcrypt(rfc4106-gcm-aesni-avx)")));
  EXPECT_THAT(*steering_->refresh(), IsEmpty());
  kernel_.add("rfc4106(gcm(aes))", "rfc4106-gcm-vaes-avx10_512", 800);
  ASSERT_EQ(kernel_.find(kParallel), nullptr);
  EXPECT_THAT(*steering_->refresh(), ElementsAre(HasSubstr("had gone, and is made again")));
  EXPECT_EQ(kernel_.add_sa(kName), kParallel);
}

TEST_F(SteeringTest, WhatSomebodyElseChangedIsNotUndone) {
  ASSERT_TRUE(steering_->hold(binding("rfc4106-gcm-aesni")));
  kernel_.find(kOldAesni)->priority = 777;
  const auto report = undo(*journal_, kernel_);
  ASSERT_TRUE(report);
  EXPECT_EQ(kernel_.find(kOldAesni)->priority, 777u);
  EXPECT_THAT(report->left, Contains(HasSubstr("somebody else has set")));
}

TEST_F(SteeringTest, AModuleIsLoadedWhereTheDriverIsMissing) {
  kernel_.modules["intel_qat"] = [](FakeKernel& kernel) {
    kernel.add("authenc(hmac(sha1),cbc(aes))", "qat_aes_cbc_hmac_sha1", 100);
  };
  const Transform cbc = (*find_transform("aes128-sha1"))->transform;
  EXPECT_EQ(steering_->choose(cbc, false, "qat_aes_cbc_hmac_sha1", "").error().code,
            ErrorCode::not_found);
  EXPECT_EQ(steering_->choose(cbc, false, "qat_aes_cbc_hmac_sha1", "no_such").error().message,
            "no module no_such");
  const auto found = steering_->choose(cbc, false, "qat_aes_cbc_hmac_sha1", "intel_qat");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->driver, "echainiv(qat_aes_cbc_hmac_sha1)");
}

TEST_F(SteeringTest, MasksOfCpusAreSetAndRestored) {
  const std::string file = "/sys/kernel/pcrypt/pencrypt/parallel_cpumask";
  ASSERT_TRUE(steering_->set_masks({{file, "1"}}));
  EXPECT_EQ(kernel_.settings[file], "1");
  start();
  EXPECT_EQ(kernel_.settings[file], "3");
  EXPECT_THAT(taken_over_.done, ElementsAre(HasSubstr("holds 3 again")));
}

TEST_F(SteeringTest, AKernelThatHasStartedAnewHasNothingToUndo) {
  ASSERT_TRUE(steering_->hold(binding("rfc4106-gcm-aesni")));
  kernel_.boot_id = "second";
  kernel_.requests.clear();
  start();
  EXPECT_THAT(kernel_.requests, IsEmpty());
}

TEST_F(SteeringTest, OneProcessAtATimeHasAJournal) {
  const auto second = Journal::open(folder_ / "changes.json", kernel_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

TEST_F(SteeringTest, AJournalThatCannotBeReadIsNotOverwritten) {
  steering_.reset();
  journal_.reset();
  std::ofstream(folder_ / "changes.json") << "{";
  const auto opened = Journal::open(folder_ / "changes.json", kernel_);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("cannot be understood"));
  EXPECT_TRUE(journal_exists());
}

TEST_F(SteeringTest, WithoutPermissionItSaysSo) {
  kernel_.change_error = EPERM;
  const auto bound =
      steering_->bind(binding("rfc4106-gcm-aesni"), []() -> Result<void> { return {}; });
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, ErrorCode::permission);
  EXPECT_THAT(bound.error().message, HasSubstr("CAP_NET_ADMIN"));
}

}  // namespace
}  // namespace espalier::steer
