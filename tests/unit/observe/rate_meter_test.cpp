// SPDX-License-Identifier: Apache-2.0
#include "observe/rate_meter.hpp"

#include <gtest/gtest.h>

namespace espalier {
namespace {

using std::chrono::seconds;

class RateMeterTest : public testing::Test {
 protected:
  void sample(std::uint64_t bytes, int at) { meter_.sample("sa", bytes, start_ + seconds(at)); }
  Rate rate() const { return meter_.rate("sa"); }

  RateMeter meter_;
  RateMeter::Time start_{seconds(1000)};
};

TEST_F(RateMeterTest, MeasuresBetweenTwoSamplesAndKeepsThePeak) {
  sample(1000, 0);
  EXPECT_EQ(rate().bits_per_second, 0u) << "what was there at the first sample has no time";
  sample(2000, 1);
  EXPECT_EQ(rate().bits_per_second, 8000u);
  sample(2500, 2);
  EXPECT_EQ(rate().bits_per_second, 4000u);
  EXPECT_EQ(rate().peak_bits_per_second, 8000u);
}

TEST_F(RateMeterTest, DividesByTheTimeThatReallyPassed) {
  sample(0, 0);
  sample(4000, 4);
  EXPECT_EQ(rate().bits_per_second, 8000u);
}

TEST_F(RateMeterTest, MeasuresFromTheEndOfARest) {
  sample(0, 0);
  meter_.rest(start_ + seconds(99));
  sample(1000, 100);
  EXPECT_EQ(rate().bits_per_second, 8000u);
}

TEST_F(RateMeterTest, IgnoresASecondSampleOfTheSameMoment) {
  sample(0, 0);
  sample(1000, 1);
  sample(1001, 1);
  EXPECT_EQ(rate().bits_per_second, 8000u);
}

TEST_F(RateMeterTest, ACounterThatStartsAnewGivesNoHugeRate) {
  sample(1'000'000, 0);
  sample(10, 1);
  EXPECT_EQ(rate().bits_per_second, 0u);
}

TEST_F(RateMeterTest, ForgetsWhatARoundDidNotSample) {
  sample(0, 0);
  sample(1000, 1);
  meter_.begin_round();
  meter_.sample("other", 1, start_ + seconds(2));
  meter_.end_round();
  EXPECT_EQ(rate().peak_bits_per_second, 0u);
}

TEST(Gbits, HasTwoDigits) {
  EXPECT_EQ(gbits(0), "0.00");
  EXPECT_EQ(gbits(940'000'000), "0.94");
  EXPECT_EQ(gbits(26'049'000'000), "26.05");
}

}  // namespace
}  // namespace espalier
