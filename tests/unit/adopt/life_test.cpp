// SPDX-License-Identifier: Apache-2.0
#include "adopt/life.hpp"

#include <gmock/gmock.h>

namespace espalier::adopt {
namespace {

using Step = SaLife::Step;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

const Time kStart{};
const Time kAfterDeadline = kStart + SaLife::kDeadline + seconds(1);

TEST(SaLife, NothingIsDoneForAnSaThatIsWhereItShouldBe) {
  SaLife life;
  life.settle();
  EXPECT_EQ(life.next(kStart), Step::wait);
  EXPECT_EQ(life.next(kAfterDeadline), Step::wait);
}

TEST(SaLife, ADaemonIsAskedOnceInAnSasLifeAndThenLeftInPeace) {
  SaLife life;
  life.misplace("it was too late");
  EXPECT_EQ(life.next(kStart), Step::ask);
  EXPECT_EQ(life.next(kStart), Step::ask);  // it was not asked yet
  life.asked(kStart);
  EXPECT_EQ(life.next(kStart + seconds(1)), Step::wait);
  EXPECT_EQ(life.next(kAfterDeadline), Step::give_up);
  EXPECT_EQ(life.next(kAfterDeadline), Step::wait);
  life.misplace("it was too late");
  EXPECT_EQ(life.next(kAfterDeadline), Step::wait);
}

TEST(SaLife, ADaemonThatDoesNotObeyIsNamedInTheReason) {
  SaLife life;
  life.misplace("it was too late");
  life.asked(kStart);
  life.next(kAfterDeadline);
  EXPECT_THAT(life.note(), HasSubstr("it was too late; its IKE daemon was asked to rekey it"));
}

TEST(SaLife, AClosedSaThatNobodyRekeysIsRemoved) {
  SaLife life;
  life.shut("its numbers are not known");
  EXPECT_TRUE(life.is_shut());
  EXPECT_EQ(life.next(kStart), Step::ask);
  life.asked(kStart);
  EXPECT_EQ(life.next(kStart + seconds(1)), Step::wait);
  EXPECT_EQ(life.next(kAfterDeadline), Step::remove);
}

TEST(AskRate, DaemonsAreAskedForOneRekeyAfterTheOther) {
  AskRate rate;
  EXPECT_TRUE(rate.take(kStart));
  EXPECT_FALSE(rate.take(kStart + milliseconds(1)));
  EXPECT_TRUE(rate.take(kStart + AskRate::kEvery));
}

}  // namespace
}  // namespace espalier::adopt
