// SPDX-License-Identifier: Apache-2.0
//
// Placement when devices are lost and come back.
#include <gmock/gmock.h>

#include "unit/place/placer_fixture.hpp"

namespace espalier {
namespace {

using namespace std::chrono_literals;
using mock::Call;
using mock::FakeBackendBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PlacerLossTest : public PlacerFixture {
 protected:
  void SetUp() override {
    start({FakeBackendBuilder{}.name("nic").sa_capacity(8).build(),
           FakeBackendBuilder{}.name("openssl").device("cpu").build()});
  }
  mock::FakeControl& card() { return fakes_[0].control(); }
};

TEST_F(PlacerLossTest, ALostDeviceIsPassedOverUntilItsTimeIsOver) {
  EXPECT_EQ(place("a"), "nic/card0");
  placer_->report_lost("nic", "card0", "no completion for 100 ms");
  EXPECT_EQ(device("nic").state, DeviceState::quarantined);
  EXPECT_EQ(device("nic").state_reason, "no completion for 100 ms");
  EXPECT_EQ(device("nic").retry_in_ms, 1000u);
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::device_quarantined);
  now_ += 999ms;
  EXPECT_EQ(device("nic").retry_in_ms, 1u);
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(asks(0), 1u);
  now_ += 1ms;
  EXPECT_EQ(place("c"), "nic/card0");
  EXPECT_EQ(device("nic").state, DeviceState::up);
}

TEST_F(PlacerLossTest, ASecondReportOfTheSameLossChangesNothing) {
  place("a");
  placer_->report_lost("nic", "card0", "hung");
  now_ += 600ms;
  placer_->report_lost("nic", "card0", "hung, says another worker");
  EXPECT_EQ(device("nic").retry_in_ms, 400u);
  EXPECT_EQ(device("nic").state_reason, "hung");
  EXPECT_THAT(placer_->take_lost(), IsEmpty()) << "the caller knows what it reported";
}

TEST_F(PlacerLossTest, EachFurtherLossDoublesTheWait) {
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    ASSERT_EQ(place("a"), "nic/card0");
    placer_->report_lost("nic", "card0", "hung");
    ASSERT_EQ(place("a"), "openssl/cpu");
    EXPECT_EQ(device("nic").retry_in_ms, static_cast<std::uint64_t>(expected / 1ms));
    now_ += expected;
  }
}

TEST_F(PlacerLossTest, ADeviceThatIsStillGoneAtItsProbeWaitsLonger) {
  place("a");
  card().lose("fell out");
  placer_->report_lost("nic", "card0", "hung");
  now_ += 1s;
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(device("nic").retry_in_ms, 2000u);
  EXPECT_EQ(device("nic").state_reason, "fell out");
  card().recover();
  now_ += 2s;
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerLossTest, ADeviceThatDoesNotOpenAtItsProbeWaitsLonger) {
  place("a");
  placer_->report_lost("nic", "card0", "hung");
  card().refuse(Call::device_open, ESPALIER_TRANSIENT, "firmware is loading", 1);
  now_ += 1s;
  placer_->refresh();
  EXPECT_EQ(device("nic").retry_in_ms, 2000u);
  EXPECT_THAT(device("nic").state_reason, HasSubstr("firmware is loading"));
  now_ += 2s;
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerLossTest, TheFirstSessionAfterAReturnIsPartOfTheProbe) {
  place("a");
  placer_->report_lost("nic", "card0", "hung");
  now_ += 1s;
  card().refuse(Call::session_open, ESPALIER_LOST, "still wedged", 1);
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(device("nic").retry_in_ms, 2000u);
}

TEST_F(PlacerLossTest, ALateReportOfTheOldLossDoesNotHurtTheReturnedDevice) {
  place("a");
  placer_->report_lost("nic", "card0", "hung");
  now_ += 1s;
  placer_->refresh();
  placer_->report_lost("nic", "card0", "hung, says a slow worker");
  EXPECT_EQ(device("nic").state, DeviceState::up);
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerLossTest, ALossMetWhilePlacingQuarantinesAndNamesTheSasLeftBehind) {
  place("a");
  card().refuse(Call::session_open, ESPALIER_LOST, "the bus says no", 1);
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(device("nic").state, DeviceState::quarantined);
  const auto lost = placer_->take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].device, "card0");
  EXPECT_THAT(lost[0].why, HasSubstr("the bus says no"));
  EXPECT_THAT(placer_->take_lost(), IsEmpty());
}

TEST_F(PlacerLossTest, AnUnpluggedDeviceIsFoundLostByItsEvent) {
  place("a");
  card().unplug();
  EXPECT_EQ(place("b"), "openssl/cpu");
  EXPECT_EQ(placer_->take_lost().size(), 1u);
}

TEST_F(PlacerLossTest, ADeviceThatIsGoneByItsHealthIsFoundWithinASecond) {
  place("a");
  card().set_health(ESPALIER_GONE, "link to firmware lost");
  now_ += 1s;
  placer_->refresh();
  EXPECT_THAT(placer_->take_lost(),
              ElementsAre(LostDevice{"nic", "card0", "link to firmware lost"}));
}

TEST_F(PlacerLossTest, ADeviceThatWasSwappedBetweenTwoReadingsIsNoticed) {
  place("a");
  card().lose();
  card().recover();
  now_ += 1s;
  placer_->refresh();
  const auto lost = placer_->take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_THAT(lost[0].why, HasSubstr("new device"));
}

TEST_F(PlacerLossTest, AnUnpluggedDeviceComesBackToUse) {
  place("a");
  card().unplug();
  placer_->refresh();
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::device_lost) << "not absent: it was there";
  EXPECT_EQ(last_decision_.candidates[0].sentence, "was lost: it is no longer there");
  now_ += 10s;
  placer_->refresh();
  EXPECT_EQ(device("nic").state, DeviceState::lost) << "for as long as it is away";
  card().plug_in();
  EXPECT_THAT(placer_->take_returned(), IsEmpty()) << "it is away";
  EXPECT_EQ(place("b"), "nic/card0");
  EXPECT_EQ(card().counters().devices_opened, 2u);
  EXPECT_THAT(placer_->take_returned(), ElementsAre(ReturnedDevice{"nic", "card0"}));
  now_ += 10s;
  placer_->refresh();
  EXPECT_THAT(placer_->take_returned(), IsEmpty()) << "it came once";
}

TEST_F(PlacerLossTest, ADeviceThatIsBackBeforeItsProbeIsToldWhenItHasPassedIt) {
  place("a");
  card().unplug();
  placer_->refresh();
  card().plug_in();
  placer_->refresh();
  EXPECT_THAT(placer_->take_returned(), IsEmpty()) << "it is quarantined";
  now_ += 2s;
  placer_->refresh();
  EXPECT_THAT(placer_->take_returned(), ElementsAre(ReturnedDevice{"nic", "card0"}));
}

TEST_F(PlacerLossTest, WhenEverythingIsUnpluggedTheSaMayBePlacedLater) {
  place("a");
  for (const auto& fake : fakes_) fake.control().unplug();
  EXPECT_EQ(place("a"), "capacity");
  EXPECT_THAT(last_error_, HasSubstr("device.lost"));
}

TEST_F(PlacerLossTest, ADeviceThatRefusesAQueueAsLostIsQuarantined) {
  place("a");
  refuse("a", {ErrorCode::lost, "the queue is gone"});
  EXPECT_EQ(device("nic").state, DeviceState::quarantined);
  EXPECT_EQ(place("a"), "openssl/cpu");
}

TEST_F(PlacerLossTest, ADeviceWithoutSasThatWentAndCameBackIsUsedAtOnce) {
  place("a");
  remove("a");
  card().unplug();
  placer_->refresh();
  now_ += 1s;
  card().plug_in();
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerLossTest, ADeviceThatIsDownIsPassedOverAndNotQuarantined) {
  card().set_health(ESPALIER_DOWN, "link down");
  placer_->refresh();
  EXPECT_EQ(place("a"), "openssl/cpu");
  EXPECT_EQ(last_decision_.candidates[0].reason, Reason::device_down);
  card().set_health(ESPALIER_UP, "");
  now_ += 1s;
  EXPECT_EQ(place("b"), "nic/card0");
}

TEST_F(PlacerLossTest, ALossForgetsThatTheTableWasFull) {
  card().set_sa_capacity(1);
  place("a");
  EXPECT_EQ(place("b"), "openssl/cpu");
  card().lose();
  placer_->report_lost("nic", "card0", "hung");
  sessions_.erase("a");
  EXPECT_EQ(place("a"), "openssl/cpu");
  card().recover();
  now_ += 1s;
  EXPECT_EQ(place("c"), "nic/card0");
}

TEST_F(PlacerLossTest, AnSaMovesBetweenDevicesOfABackendThatItFillsItself) {
  Policy policy;
  policy.limits = {{"two", 1}};
  fakes_.push_back(FakeBackendBuilder{}.name("two").device("x").device("y").build());
  const auto& two = fakes_.back();
  ASSERT_TRUE(registry_->add_builtin(two.name(), two.entry(), two.options()));
  policy.backends = {"two", "openssl"};
  Placer placer(*registry_, policy, [this] { return now_; });
  const auto keys = sample::keys(*secrets_);
  auto first = placer.place(sample::sa("a"), keys);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->device, "x");
  placer.report_lost("two", "x", "hung");
  auto second = placer.place(sample::sa("a"), keys, Home{"two", "x"});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->device, "y") << "the limit of one is its own place";
}

TEST_F(PlacerLossTest, WhenEverythingIsLostTheErrorSaysWhenItIsProbedAgain) {
  place("a");
  placer_->report_lost("nic", "card0", "hung");
  placer_->report_lost("openssl", "cpu", "impossible");
  EXPECT_EQ(place("b"), "capacity");
  EXPECT_THAT(last_error_, HasSubstr("device.quarantined"));
  EXPECT_THAT(last_error_, HasSubstr("1000 ms"));
}

}  // namespace
}  // namespace espalier
