// SPDX-License-Identifier: Apache-2.0
#include <place/health.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Trust = DeviceHealth::Trust;

const DeviceName kCard{"nic", "card0"};

class DeviceHealthTest : public ::testing::Test {
 protected:
  std::chrono::seconds backoff() const { return health.records().at(kCard).backoff; }
  // A loss, the wait, and the return of the device.
  void lose_and_return() {
    ASSERT_TRUE(health.lost(kCard, "hung", now));
    now += backoff();
    health.probe_passed(kCard, now);
    health.proven(kCard);
  }

  DeviceHealth health;
  DeviceHealth::TimePoint now{1h};
};

TEST_F(DeviceHealthTest, QuarantinesFirstForOneSecond) {
  EXPECT_TRUE(health.lost(kCard, "hung", now));
  EXPECT_EQ(health.trust(kCard), Trust::quarantined);
  EXPECT_EQ(health.records().at(kCard).until, now + 1s);
  EXPECT_THAT(health.due(now + 999ms), IsEmpty());
  EXPECT_FALSE(health.any_due(now + 999ms));
  EXPECT_THAT(health.due(now + 1s), ElementsAre(kCard));
  EXPECT_TRUE(health.any_due(now + 1s));
}

TEST_F(DeviceHealthTest, ASecondReportOfTheSameLossChangesNothing) {
  health.lost(kCard, "hung", now);
  EXPECT_FALSE(health.lost(kCard, "hung", now + 500ms));
  EXPECT_EQ(health.records().at(kCard).until, now + 1s);
  health.probe_passed(kCard, now + 1s);
  EXPECT_FALSE(health.lost(kCard, "hung", now + 1s)) << "it has had no session since it came back";
  EXPECT_EQ(health.trust(kCard), Trust::probation);
}

TEST_F(DeviceHealthTest, DoublesUpToFiveMinutes) {
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    lose_and_return();
    EXPECT_EQ(backoff(), expected);
  }
}

TEST_F(DeviceHealthTest, DoublesWhenAProbeFails) {
  health.lost(kCard, "hung", now);
  health.probe_failed(kCard, "still hung", now + 1s);
  EXPECT_EQ(health.trust(kCard), Trust::quarantined);
  EXPECT_EQ(health.records().at(kCard).until, now + 3s);
  EXPECT_EQ(health.records().at(kCard).why, "still hung");
}

TEST_F(DeviceHealthTest, TrustsFullyOnlyAfterASession) {
  health.lost(kCard, "hung", now);
  health.probe_passed(kCard, now + 1s);
  EXPECT_EQ(health.trust(kCard), Trust::probation);
  EXPECT_FALSE(health.any_due(now + 1h));
  health.proven(kCard);
  EXPECT_EQ(health.trust(kCard), Trust::trusted);
}

TEST_F(DeviceHealthTest, BeginsAnewAfterFiveGoodMinutes) {
  lose_and_return();
  lose_and_return();
  now += 299s;
  lose_and_return();
  EXPECT_EQ(backoff(), 4s);
  now += 300s;
  lose_and_return();
  EXPECT_EQ(backoff(), 1s);
}

TEST_F(DeviceHealthTest, KeepsDevicesApart) {
  health.lost(kCard, "hung", now);
  EXPECT_EQ(health.trust({"nic", "card1"}), Trust::trusted);
  EXPECT_EQ(health.trust({"qat", "card0"}), Trust::trusted);
}

}  // namespace
}  // namespace espalier
