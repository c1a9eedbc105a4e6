// SPDX-License-Identifier: Apache-2.0
#include <place/refusal_memory.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/place/sample.hpp"

namespace espalier {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const DeviceName kCard{"nic", "card0"};

class RefusalMemoryTest : public ::testing::Test {
 protected:
  void refuse(const SaSpec& sa, ErrorCode code, std::uint64_t ours = 1) {
    memory.remember(kCard, device, sa, {code, "no"}, ours, now);
  }
  bool stands(const SaSpec& sa) const { return !memory.against(sa).empty(); }

  RefusalMemory memory;
  Device device;
  RefusalMemory::TimePoint now{1h};
  SaSpec out = sample::sa("out");
  SaSpec in = sample::sa("in", Direction::inbound);
};

TEST_F(RefusalMemoryTest, UnsupportedStandsForEverySaOfTheSameShape) {
  refuse(out, ErrorCode::unsupported);
  EXPECT_TRUE(stands(sample::sa("twin")));
  EXPECT_FALSE(stands(in));
  auto shorter = out;
  shorter.transform.key_bits = 128;
  EXPECT_FALSE(stands(shorter));
  memory.expire(now + 24h);
  memory.room_freed(kCard);
  EXPECT_TRUE(stands(out));
  ASSERT_THAT(memory.all(), SizeIs(1));
  EXPECT_EQ(memory.all()[0], (Refusal{"nic", "card0", "out", ErrorCode::unsupported, "no"}));
}

TEST_F(RefusalMemoryTest, CapacityStandsForTheDeviceUntilSomethingLeft) {
  refuse(out, ErrorCode::capacity);
  EXPECT_TRUE(stands(out));
  EXPECT_TRUE(stands(in)) << "no pool says that the directions have tables of their own";
  memory.expire(now + 24h);
  EXPECT_TRUE(stands(out));
  memory.room_freed({"nic", "card1"});
  EXPECT_TRUE(stands(out));
  memory.room_freed(kCard);
  EXPECT_FALSE(stands(out));
}

TEST_F(RefusalMemoryTest, CapacityOfSeparateTablesStandsForOneDirection) {
  device.pools = {sample::pool("tx", 8, PoolUse::counted, 1),
                  sample::pool("rx", 8, PoolUse::counted, 2)};
  refuse(out, ErrorCode::capacity);
  EXPECT_TRUE(stands(out));
  EXPECT_FALSE(stands(in));
  memory.room_freed(kCard, 2);
  EXPECT_TRUE(stands(out)) << "what left was inbound";
  memory.room_freed(kCard, 1);
  EXPECT_FALSE(stands(out));
}

TEST_F(RefusalMemoryTest, ALivePoolThatWentDownFreesTheTable) {
  device.pools = {sample::pool("sas", 8, PoolUse::live)};
  device.pools[0].used = 8;
  refuse(out, ErrorCode::capacity);
  memory.pools_read(kCard, device);
  EXPECT_TRUE(stands(out));
  device.pools[0].used = 7;
  memory.pools_read(kCard, device);
  EXPECT_FALSE(stands(out));
}

TEST_F(RefusalMemoryTest, ATableFilledByOthersIsAskedAgainAfterAWhile) {
  refuse(out, ErrorCode::capacity, 0);
  memory.expire(now + RefusalMemory::kFilledByOthers - 1ms);
  EXPECT_TRUE(stands(out));
  memory.expire(now + RefusalMemory::kFilledByOthers);
  EXPECT_FALSE(stands(out));
}

TEST_F(RefusalMemoryTest, TransientStandsShortlyForEverySa) {
  refuse(out, ErrorCode::transient);
  EXPECT_TRUE(stands(in));
  memory.expire(now + RefusalMemory::kTransient);
  EXPECT_FALSE(stands(in));
}

TEST_F(RefusalMemoryTest, PermissionStandsForGoodEvenAfterALoss) {
  refuse(out, ErrorCode::permission);
  memory.expire(now + 24h);
  memory.room_freed(kCard);
  memory.device_lost(kCard);
  EXPECT_TRUE(stands(in));
  EXPECT_EQ(memory.all()[0].sa, "");
}

TEST_F(RefusalMemoryTest, InvalidIsAboutTheRequestAndNotRemembered) {
  refuse(out, ErrorCode::invalid);
  EXPECT_THAT(memory.all(), IsEmpty());
}

TEST_F(RefusalMemoryTest, ALossForgetsWhatTheOldDeviceSaid) {
  refuse(out, ErrorCode::capacity);
  refuse(out, ErrorCode::unsupported);
  refuse(out, ErrorCode::transient);
  memory.device_lost(kCard);
  EXPECT_THAT(memory.all(), IsEmpty());
}

}  // namespace
}  // namespace espalier
