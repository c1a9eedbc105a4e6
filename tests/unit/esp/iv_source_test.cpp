// SPDX-License-Identifier: Apache-2.0
#include "esp/iv_source.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace espalier::esp {
namespace {

using Iv = std::array<std::uint8_t, 16>;

constexpr int kSeveralRefills = 1000;  // a refill is 4 KiB, 256 of these IVs

std::set<Iv> take(IvSource& source) {
  std::set<Iv> ivs;
  for (int i = 0; i < kSeveralRefills; ++i) {
    Iv iv{};
    source.fill(iv.data(), iv.size());
    ivs.insert(iv);
  }
  return ivs;
}

TEST(IvSource, GivesNoIvTwice) {
  auto source = IvSource::create().value();
  EXPECT_EQ(take(source).size(), std::size_t{kSeveralRefills});
}

// Each worker has its own, and each start of a gateway under static keys makes new ones.
TEST(IvSource, NoTwoSourcesGiveTheSameIvs) {
  std::set<Iv> all;
  for (int i = 0; i < 3; ++i) {
    auto source = IvSource::create().value();
    all.merge(take(source));
  }
  EXPECT_EQ(all.size(), std::size_t{3 * kSeveralRefills});
}

}  // namespace
}  // namespace espalier::esp
