// SPDX-License-Identifier: Apache-2.0
//
// Placement without losses: choice, refusals, capacity. Losses: placer_loss_test.cpp.
#include <gmock/gmock.h>

#include "unit/place/placer_fixture.hpp"

namespace espalier {
namespace {

using namespace std::chrono_literals;
using mock::Call;
using mock::fake_pool;
using mock::FakeBackendBuilder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PlacerTest : public PlacerFixture {
 protected:
  // A scarce card first, software without limit behind it.
  void start_card_and_software(std::uint64_t room, std::uint32_t use = ESPALIER_USE_COUNTED) {
    start({FakeBackendBuilder{}.name("nic").sa_capacity(room, use).build(),
           FakeBackendBuilder{}.name("openssl").device("cpu").build()});
  }
};

TEST_F(PlacerTest, TakesTheFirstOfThePolicyAndSaysWhy) {
  start_card_and_software(8);
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(last_decision_.sa, "a");
  ASSERT_TRUE(last_decision_.chosen.has_value());
  EXPECT_EQ(last_decision_.candidates[*last_decision_.chosen].reason, Reason::chosen);
  EXPECT_TRUE(sessions_.at("a"));
  EXPECT_EQ(fakes_[0].control().counters().sessions(), 1u);
}

TEST_F(PlacerTest, ARefusalFallsToTheNextAndIsInTheDecision) {
  start_card_and_software(8);
  fakes_[0].control().refuse(Call::session_open, ESPALIER_UNSUPPORTED, "no such key schedule");
  EXPECT_EQ(place("a"), "openssl/cpu");
  ASSERT_THAT(last_decision_.candidates, SizeIs(2));
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::refused_by_device);
  EXPECT_THAT(last_decision_.candidates[0].sentence, HasSubstr("no such key schedule"));
}

TEST_F(PlacerTest, ADeviceThatDoesNotOpenFallsToTheNext) {
  start_card_and_software(8);
  fakes_[0].control().refuse(Call::device_open, ESPALIER_PERMISSION, "/dev/nic is root's");
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::refused_permission);
  EXPECT_THAT(last_decision_.candidates[0].sentence, HasSubstr("/dev/nic is root's"));
}

TEST_F(PlacerTest, AThousandEqualSasAskOnlyOnceWhatIsUnsupported) {
  start_card_and_software(8000);
  fakes_[0].control().refuse(Call::session_open, ESPALIER_UNSUPPORTED, "no");
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(place("sa" + std::to_string(i)), "openssl/cpu");
  EXPECT_EQ(asks(0), 1u);
  EXPECT_EQ(place("other", Direction::inbound), "openssl/cpu");
  EXPECT_EQ(asks(0), 2u) << "another shape is asked for itself";
}

TEST_F(PlacerTest, AnInvalidRequestIsHeldAgainstItselfAlone) {
  start_card_and_software(8);
  fakes_[0].control().refuse(Call::session_open, ESPALIER_INVALID, "weak key", 1);
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(place("b"), "nic/card0");
}

// What a caller goes by that has SAs that nobody took.
TEST_F(PlacerTest, ItsEpochGrowsWhenAnSaMayFindAPlaceThatItDidNotFindBefore) {
  start_card_and_software(8);
  std::uint64_t before = placer_->epoch();
  const auto has_grown = [&] { return std::exchange(before, placer_->epoch()) != before; };
  const auto a_second_later = [&] {
    now_ += 1s;
    placer_->refresh();
  };
  ASSERT_EQ(place("a"), "nic/card0");
  a_second_later();
  EXPECT_FALSE(has_grown()) << "an SA came, and nothing else happened";

  fakes_[0].control().refuse(Call::session_open, ESPALIER_TRANSIENT, "resetting", 1);
  ASSERT_EQ(place("b"), "openssl/cpu");
  EXPECT_FALSE(has_grown()) << "a refusal makes no room";
  a_second_later();
  EXPECT_TRUE(has_grown()) << "it is over";

  refuse("b", {ErrorCode::transient, "no queue"});
  EXPECT_FALSE(has_grown()) << "it is where it was before it was asked";
  a_second_later();
  EXPECT_TRUE(has_grown());

  remove("a");
  EXPECT_TRUE(has_grown()) << "there is room";
  placer_->set_policy(placer_->policy());
  EXPECT_TRUE(has_grown()) << "another policy";

  fakes_[0].control().set_health(ESPALIER_DOWN, "no link");
  a_second_later();
  EXPECT_TRUE(has_grown()) << "health";
  a_second_later();
  EXPECT_FALSE(has_grown());
}

TEST_F(PlacerTest, ItsEpochGrowsWhenALostDeviceIsBack) {
  start_card_and_software(8);
  placer_->report_lost("nic", "card0", "it hung");
  placer_->refresh();
  const std::uint64_t before = placer_->epoch();
  now_ += 900ms;
  placer_->refresh();
  EXPECT_EQ(placer_->epoch(), before) << "it is quarantined";
  now_ += 100ms;
  placer_->refresh();
  EXPECT_NE(placer_->epoch(), before) << "its quarantine is over, and it passed its probe";
}

TEST_F(PlacerTest, ATransientRefusalIsForgottenAfterAMoment) {
  start_card_and_software(8);
  fakes_[0].control().refuse(Call::session_open, ESPALIER_TRANSIENT, "resetting", 1);
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(asks(0), 1u);
  now_ += 250ms;
  EXPECT_EQ(place("c"), "nic/card0");
}

TEST_F(PlacerTest, PermissionStandsUntilTheRestart) {
  start_card_and_software(8);
  fakes_[0].control().refuse(Call::session_open, ESPALIER_PERMISSION, "not for you", 1);
  place("a");
  now_ += 24h;
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(asks(0), 1u);
}

TEST_F(PlacerTest, CountsTheRoomOfACountedPoolItself) {
  start_card_and_software(2);
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(place("b", Direction::inbound), "nic/card0") << "both directions share the pool";
  EXPECT_EQ(device("nic").pools.at(0).used, 2u);
  EXPECT_EQ(place("c"), "openssl/cpu");
  EXPECT_EQ(asks(0), 2u) << "a pool that is known to be full is not asked";
  remove("b");
  EXPECT_EQ(device("nic").pools.at(0).used, 1u);
  EXPECT_EQ(place("d"), "nic/card0");
}

TEST_F(PlacerTest, SeparatePoolsFillForEachDirectionAlone) {
  start({FakeBackendBuilder{}
             .name("nic")
             .pool(fake_pool("tx", 1, ESPALIER_USE_COUNTED, ESPALIER_OUTBOUND))
             .pool(fake_pool("rx", 2, ESPALIER_USE_COUNTED, ESPALIER_INBOUND))
             .build(),
         FakeBackendBuilder{}.name("openssl").device("cpu").build()});
  EXPECT_EQ(place("o1"), "nic/card0");
  EXPECT_EQ(place("o2"), "openssl/cpu");
  EXPECT_EQ(place("i1", Direction::inbound), "nic/card0");
  EXPECT_EQ(place("i2", Direction::inbound), "nic/card0");
  EXPECT_EQ(place("i3", Direction::inbound), "openssl/cpu");
}

// The pool says 100, the table holds 3.
TEST_F(PlacerTest, AFullTableIsNotAskedAgainUntilSomethingHasLeftIt) {
  start_card_and_software(100);
  fakes_[0].control().set_sa_capacity(3);
  for (int i = 0; i < 50; ++i) place("sa" + std::to_string(i));
  EXPECT_EQ(asks(0), 4u);
  EXPECT_EQ(load("nic"), 3u);
  EXPECT_EQ(load("openssl"), 47u);
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::capacity_sas);
  now_ += 1h;
  place("later");
  EXPECT_EQ(asks(0), 4u) << "time alone frees nothing";
  remove("sa40");
  place("after-software-left");
  EXPECT_EQ(asks(0), 4u) << "what left was elsewhere";
  remove("sa1");
  EXPECT_EQ(place("next"), "nic/card0");
  EXPECT_EQ(place("one-more"), "openssl/cpu");
  EXPECT_EQ(asks(0), 6u);
}

TEST_F(PlacerTest, ACapacityFreedEventLetsAFullTableBeAskedAgain) {
  start_card_and_software(100);
  fakes_[0].control().set_sa_capacity(1);
  place("a");
  EXPECT_EQ(place("b"), "openssl/cpu");
  fakes_[0].control().set_sa_capacity(2);
  EXPECT_EQ(place("c"), "openssl/cpu");
  fakes_[0].control().emit(ESPALIER_EVENT_CAPACITY_FREED);
  EXPECT_EQ(place("d"), "nic/card0");
}

TEST_F(PlacerTest, BelievesALivePoolAndKeepsItTrueBetweenReadings) {
  start_card_and_software(4, ESPALIER_USE_LIVE);
  fakes_[0].control().report_used(2);
  placer_->refresh();
  EXPECT_EQ(device("nic").pools.at(0).used, 2u);
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(device("nic").pools.at(0).used, 3u);
  EXPECT_EQ(place("b"), "nic/card0");
  EXPECT_EQ(place("c"), "openssl/cpu") << "two of others and two of ours";
  EXPECT_EQ(asks(0), 2u);
}

TEST_F(PlacerTest, ALivePoolThatClaimsToBeEmptyIsStillAskedOnlyOnceWhenFull) {
  start_card_and_software(100, ESPALIER_USE_LIVE);
  fakes_[0].control().set_sa_capacity(1);
  fakes_[0].control().report_used(0);
  for (int i = 0; i < 20; ++i) place("sa" + std::to_string(i));
  EXPECT_EQ(asks(0), 2u);
}

TEST_F(PlacerTest, ACountedPoolsOwnNumberIsNotBelieved) {
  start_card_and_software(4, ESPALIER_USE_COUNTED);
  fakes_[0].control().report_used(4);
  placer_->refresh();
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(device("nic").pools.at(0).used, 1u);
}

TEST_F(PlacerTest, APoolOfUnknownUseIsAsked) {
  start_card_and_software(2, ESPALIER_USE_UNKNOWN);
  fakes_[0].control().report_used(1000);
  placer_->refresh();
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(place("b"), "nic/card0");
  EXPECT_EQ(place("c"), "openssl/cpu");
}

TEST_F(PlacerTest, ThePolicyLimitsABackendBelowItsRoom) {
  Policy policy;
  policy.limits = {{"nic", 2}};
  start({FakeBackendBuilder{}.name("nic").build(),
         FakeBackendBuilder{}.name("openssl").device("cpu").build()},
        policy);
  EXPECT_EQ(place("a"), "nic/card0");
  EXPECT_EQ(place("b"), "nic/card0");
  EXPECT_EQ(place("c"), "openssl/cpu");
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::policy_limit);
  remove("a");
  EXPECT_EQ(place("d"), "nic/card0");
}

TEST_F(PlacerTest, ANewPolicyHoldsForWhatIsPlacedNext) {
  start_card_and_software(8);
  EXPECT_EQ(place("a"), "nic/card0");
  Policy policy = placer_->policy();
  policy.excluded = {"nic"};
  placer_->set_policy(policy);
  EXPECT_EQ(place("b"), "openssl/cpu");
}

TEST_F(PlacerTest, WhenNoBackendIsLeftTheErrorCarriesTheWholeDecision) {
  start({FakeBackendBuilder{}.name("nic").sa_capacity(1).build(),
         FakeBackendBuilder{}.name("qat").build(), FakeBackendBuilder{}.name("openssl").build()});
  EXPECT_EQ(place("first"), "nic/card0");
  fakes_[1].control().refuse(Call::session_open, ESPALIER_PERMISSION, "VFIO is closed");
  fakes_[2].control().refuse(Call::session_open, ESPALIER_UNSUPPORTED, "not in FIPS mode");
  EXPECT_EQ(place("second"), "capacity");
  for (const char* part : {"second", "nic", "capacity.sas", "qat", "refused.permission",
                           "VFIO is closed", "openssl", "refused.by_device", "not in FIPS mode"}) {
    EXPECT_THAT(last_error_, HasSubstr(part));
  }
  EXPECT_EQ(load("nic"), 1u);
}

TEST_F(PlacerTest, WhatNoBackendCanEverDoIsUnsupported) {
  start_card_and_software(8);
  auto sa = sample::sa("a");
  sa.transform = {Cipher::chacha20_poly1305, 256, Integrity::none, 16};
  EXPECT_EQ(place(sa), "unsupported");
  EXPECT_THAT(last_error_, HasSubstr("unsupported.transform"));
  EXPECT_EQ(asks(0) + asks(1), 0u);
}

TEST_F(PlacerTest, ARequestThatEveryoneCallsMalformedIsInvalid) {
  start_card_and_software(8);
  auto sa = sample::sa("a");
  sa.transform.key_bits = 128;  // and a key of 256
  EXPECT_EQ(place(sa), "invalid");
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerTest, PlacingAgainMovesTheSaAndItsCount) {
  start_card_and_software(1);
  EXPECT_EQ(place("a"), "nic/card0");
  Policy policy = placer_->policy();
  policy.excluded = {"nic"};
  placer_->set_policy(policy);
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(load("nic"), 0u);
  EXPECT_EQ(load("openssl"), 1u);
  EXPECT_EQ(device("nic").pools.at(0).used, 0u);
  EXPECT_EQ(fakes_[0].control().counters().sessions(), 0u) << "the old session was replaced";
}

TEST_F(PlacerTest, AFailedMoveLeavesTheSaCountedWhereItIs) {
  start_card_and_software(1);
  EXPECT_EQ(place("a"), "nic/card0");
  Policy policy = placer_->policy();
  policy.excluded = {"nic", "openssl"};
  placer_->set_policy(policy);
  EXPECT_EQ(place("a"), "unsupported");
  EXPECT_EQ(load("nic"), 1u);
  EXPECT_EQ(device("nic").pools.at(0).used, 1u);
}

TEST_F(PlacerTest, ReleasingWhatIsNotThereChangesNothing) {
  start_card_and_software(1);
  place("a");
  placer_->release(sample::sa("b"), {"openssl", "cpu"});
  placer_->release(sample::sa("b", Direction::inbound), {"nic", "card0"});
  EXPECT_EQ(load("nic"), 1u);
  remove("a");
  placer_->release(sample::sa("a"), {"nic", "card0"});
  EXPECT_EQ(load("nic"), 0u);
  EXPECT_EQ(device("nic").pools.at(0).used, 0u);
}

TEST_F(PlacerTest, ASessionLeftBehindByAMoveFreesItsRoomWhenItIsClosed) {
  start_card_and_software(100);
  fakes_[0].control().set_sa_capacity(1);
  EXPECT_EQ(place("a"), "nic/card0");
  Session draining = std::move(sessions_.at("a"));
  EXPECT_EQ(place("a"), "openssl/cpu") << "its old session still fills the table";
  draining = Session();
  EXPECT_EQ(place("b"), "openssl/cpu");
  placer_->room_freed("nic", "card0");
  EXPECT_EQ(place("c"), "nic/card0");
}

TEST_F(PlacerTest, ADeviceThatRefusedAfterTheSessionIsPassedOverNext) {
  start_card_and_software(8);
  EXPECT_EQ(place("a"), "nic/card0");
  sessions_.clear();
  refuse("a", {ErrorCode::transient, "no queue is free"});
  EXPECT_EQ(load("nic"), 0u);
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_THAT(last_decision_.candidates[0].sentence, HasSubstr("no queue is free"));
  now_ += 250ms;
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerTest, TenThousandSasComeAndGoAndLeaveNothingBehind) {
  start({FakeBackendBuilder{}
             .device("card0")
             .sa_capacity(700)
             .device("card1")
             .sa_capacity(300, ESPALIER_USE_LIVE)
             .name("nic")
             .build(),
         FakeBackendBuilder{}.name("openssl").device("cpu").build()});
  std::mt19937_64 random(7);
  std::vector<std::string> alive;
  for (int i = 0; i < 10000; ++i) {
    const auto direction = random() % 2 == 0 ? Direction::outbound : Direction::inbound;
    alive.push_back("sa" + std::to_string(i));
    ASSERT_THAT(place(alive.back(), direction), HasSubstr("/")) << last_error_;
    if (random() % 3 != 0) {
      std::swap(alive[random() % alive.size()], alive.back());
      remove(alive.back());
      alive.pop_back();
    }
    if (i % 1000 == 0) now_ += 1s;
  }
  EXPECT_EQ(load("nic") + load("openssl"), alive.size());
  EXPECT_EQ(load("nic"), fakes_[0].control(0).counters().sessions() +
                             fakes_[0].control(1).counters().sessions());
  EXPECT_GT(load("openssl"), 0u) << "the cards were never full: the test shows nothing";
  EXPECT_EQ(device("nic", "card0").pools.at(0).used, fakes_[0].control(0).counters().sessions());
  EXPECT_EQ(device("nic", "card1").pools.at(0).used, fakes_[0].control(1).counters().sessions());
  for (const auto& name : alive) remove(name);
  EXPECT_EQ(load("nic"), 0u);
  EXPECT_EQ(load("openssl"), 0u);
  EXPECT_EQ(device("nic", "card0").pools.at(0).used, 0u);
  EXPECT_EQ(device("nic", "card1").pools.at(0).used, 0u);
  EXPECT_THAT(placer_->inventory().refusals, IsEmpty());
  for (const auto& fake : fakes_) EXPECT_THAT(fake.control().violations(), IsEmpty());
}

}  // namespace
}  // namespace espalier
