// SPDX-License-Identifier: Apache-2.0
#include "esp/replay_window.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <string>

namespace espalier::esp {
namespace {

// The definition of RFC 4303 3.4.3, kept as a set of everything that was accepted.
class NaiveWindow {
 public:
  explicit NaiveWindow(std::uint64_t size) : size_(size) {}
  bool accept(std::uint64_t sequence) {
    if (sequence == 0 || (sequence <= top_ && top_ - sequence >= size_)) return false;
    if (!seen_.insert(sequence).second) return false;
    if (sequence > top_) {
      top_ = sequence;
      while (!seen_.empty() && top_ - *seen_.begin() >= size_) seen_.erase(seen_.begin());
    }
    return true;
  }
  std::uint64_t top() const { return top_; }

 private:
  std::uint64_t size_;
  std::uint64_t top_ = 0;
  std::set<std::uint64_t> seen_;
};

// Steps of the random walk; ESPALIER_TEST_SCALE percent of them where instrumented code is slow.
std::uint64_t steps() {
  const char* percent = std::getenv("ESPALIER_TEST_SCALE");
  return 100'000 * static_cast<std::uint64_t>(percent != nullptr ? std::atoi(percent) : 100);
}

TEST(ReplayWindow, AgreesWithTheNaiveModelOverRandomSteps) {
  const std::uint32_t sizes[] = {32, 33, 63, 64, 65, 100, 127, 128, 1000, 1024, 4095, 4096};
  const std::uint64_t starts[] = {0, (1ull << 32) - 5000, (3ull << 32) - 100, ~0ull - (1ull << 40)};
  const std::uint64_t each = steps() / (std::size(sizes) * std::size(starts));
  std::mt19937_64 random(20260101);
  for (const std::uint32_t size : sizes) {
    for (const std::uint64_t start : starts) {
      ReplayWindow window(size);
      NaiveWindow naive(size);
      if (start != 0) {
        ASSERT_TRUE(window.accept(start) && naive.accept(start));
      }
      for (std::uint64_t step = 0; step < each; ++step) {
        const std::uint64_t top = naive.top();
        const std::uint64_t back = random() % (size * 2ull);
        std::uint64_t sequence = top > back ? top - back : top + 1;
        if (random() % 4 == 0) sequence = top + random() % (random() % 64 == 0 ? 10ull * size : 4);
        const bool expected = naive.accept(sequence);
        ASSERT_EQ(window.accept(sequence), expected)
            << "size " << size << " start " << start << " step " << step << " top " << top
            << " sequence " << sequence;
        ASSERT_EQ(window.top(), naive.top());
      }
    }
  }
}

TEST(ReplayWindow, LookingDoesNotAdvance) {
  ReplayWindow window(64);
  ASSERT_TRUE(window.accept(10));
  EXPECT_TRUE(window.acceptable(1'000'000));
  EXPECT_EQ(window.top(), 10u);
  EXPECT_TRUE(window.accept(9)) << "a number that was only looked at moved the window";
}

TEST(ReplayWindow, SequenceZeroIsNeverAccepted) {
  ReplayWindow window(32);
  EXPECT_FALSE(window.acceptable(0));
  EXPECT_FALSE(window.accept(0));
}

class ReplayWindowEdge : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ReplayWindowEdge,
                         testing::Values(32, 33, 64, 65, 127, 128, 1024, 2048, 4000, 4096));

TEST_P(ReplayWindowEdge, IsExactlyAsWideAsAsked) {
  const std::uint64_t size = GetParam();
  for (std::uint64_t top = size + 1; top < size + 200; ++top) {
    ReplayWindow window(GetParam());
    ASSERT_TRUE(window.accept(top));
    EXPECT_TRUE(window.acceptable(top - size + 1)) << "top " << top;
    EXPECT_FALSE(window.acceptable(top - size)) << "top " << top;
  }
}

TEST_P(ReplayWindowEdge, AJumpBeyondTheRingForgetsEverything) {
  const std::uint64_t size = GetParam();
  ReplayWindow window(GetParam());
  for (std::uint64_t i = 1; i <= size; ++i) ASSERT_TRUE(window.accept(i));
  const std::uint64_t far = 100 * size + 7;
  ASSERT_TRUE(window.accept(far));
  for (std::uint64_t back = 1; back < size; ++back) {
    ASSERT_TRUE(window.accept(far - back)) << "an old bit was left behind at " << far - back;
  }
  EXPECT_FALSE(window.accept(far - size));
}

// The sequence of WireGuard's counter test (facts: users, B2), for this window's width.
TEST_P(ReplayWindowEdge, FollowsTheSequenceOfWireGuardsCounterTest) {
  const std::uint64_t size = GetParam();
  ReplayWindow window(GetParam());
  EXPECT_TRUE(window.accept(1));
  EXPECT_FALSE(window.accept(1));
  EXPECT_TRUE(window.accept(9));
  EXPECT_TRUE(window.accept(8));
  EXPECT_TRUE(window.accept(7));
  EXPECT_FALSE(window.accept(7));
  EXPECT_TRUE(window.accept(size));
  EXPECT_TRUE(window.accept(size - 1));
  EXPECT_FALSE(window.accept(size - 1));
  EXPECT_TRUE(window.accept(size - 2));
  EXPECT_TRUE(window.accept(2));
  EXPECT_FALSE(window.accept(2));
  EXPECT_TRUE(window.accept(size + 16));
  EXPECT_FALSE(window.accept(3));
  EXPECT_FALSE(window.accept(size + 16));
  EXPECT_TRUE(window.accept(size * 4));
  EXPECT_TRUE(window.accept(size * 4 - (size - 1)));
  EXPECT_FALSE(window.accept(size * 4 - (size - 1)));
  EXPECT_FALSE(window.accept(size * 4 - size));
  EXPECT_FALSE(window.accept(size * 4 - size - 1));
}

TEST(ReplayWindow, WorksUpToTheLastNumberThereIs) {
  constexpr std::uint64_t kLast = ~std::uint64_t{0};
  ReplayWindow window(64);
  EXPECT_TRUE(window.accept(kLast));
  EXPECT_FALSE(window.accept(kLast));
  EXPECT_TRUE(window.accept(kLast - 63));
  EXPECT_FALSE(window.accept(kLast - 64));
  EXPECT_FALSE(window.accept(1));
}

}  // namespace
}  // namespace espalier::esp
