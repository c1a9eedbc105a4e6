// SPDX-License-Identifier: Apache-2.0
#include "esp/sequence.hpp"

#include <gtest/gtest.h>

#include <random>

namespace espalier::esp {
namespace {

constexpr std::uint64_t kTwoTo32 = std::uint64_t{1} << 32;

TEST(SequenceCounter, StartsAtOneAndOnlyGoesForward) {
  SequenceCounter counter(true);
  EXPECT_EQ(counter.current(), 0u);
  for (std::uint64_t i = 1; i < 1000; ++i) EXPECT_EQ(counter.take(), i);
}

TEST(SequenceCounter, WithoutEsnEndsAtTheLast32BitNumber) {
  SequenceCounter counter(false, kTwoTo32 - 3);
  EXPECT_EQ(counter.take(), kTwoTo32 - 2);
  EXPECT_FALSE(counter.ended());
  EXPECT_EQ(counter.take(), kTwoTo32 - 1);
  EXPECT_TRUE(counter.ended());
}

TEST(SequenceCounter, WithEsnGoesOnPast32Bits) {
  SequenceCounter counter(true, kTwoTo32 - 1);
  EXPECT_FALSE(counter.ended());
  EXPECT_EQ(counter.take(), kTwoTo32);
}

TEST(SequenceCounter, WithEsnEndsAtTheLast64BitNumber) {
  SequenceCounter counter(true, ~std::uint64_t{0} - 1);
  EXPECT_EQ(counter.take(), ~std::uint64_t{0});
  EXPECT_TRUE(counter.ended());
}

// What must hold by RFC 4303 appendix A2: a number within the window below top, or less than
// 2^32 - window above it, is inferred from its low half.
TEST(InferSequence, FindsEveryNumberThatTheReceiverCanTellApart) {
  std::mt19937_64 random(7);
  const std::uint32_t windows[] = {32, 64, 1000, 1024, 4096};
  for (int i = 0; i < 2'000'000; ++i) {
    const std::uint32_t window = windows[random() % std::size(windows)];
    std::uint64_t top = random() % 8 * kTwoTo32;
    top += random() % 2 == 0 ? random() % 10'000 : kTwoTo32 - 1 - random() % 10'000;
    if (random() % 4 == 0) top = random() >> (random() % 32 + 1);
    const std::uint64_t below = std::min<std::uint64_t>(top, window - 1);
    const std::uint64_t above = kTwoTo32 - window;
    const std::uint64_t sequence =
        random() % 2 == 0 ? top - random() % (below + 1) : top + random() % above;
    const auto inferred = infer_sequence(static_cast<std::uint32_t>(sequence), top, window);
    ASSERT_TRUE(inferred.has_value());
    ASSERT_EQ(*inferred, sequence) << "top " << top << " window " << window;
  }
}

TEST(InferSequence, CrossesTheBoundaryBothWays) {
  EXPECT_EQ(infer_sequence(3, kTwoTo32 - 5, 64), kTwoTo32 + 3);
  EXPECT_EQ(infer_sequence(0xfffffffe, kTwoTo32 + 3, 64), kTwoTo32 - 2);
  EXPECT_EQ(infer_sequence(0, kTwoTo32 - 1, 64), kTwoTo32);
}

TEST(InferSequence, NothingLiesBeforeTheFirstNumber) {
  EXPECT_EQ(infer_sequence(0xfffffff0, 5, 64), 0xfffffff0u)
      << "the only number with this low half that a sender can have used";
}

TEST(InferSequence, NothingLiesBeyondTheLastNumber) {
  EXPECT_EQ(infer_sequence(3, ~std::uint64_t{0} - 2, 64), std::nullopt);
}

}  // namespace
}  // namespace espalier::esp
