// SPDX-License-Identifier: Apache-2.0
#include "gateway/used_keys.hpp"

#include <gtest/gtest.h>

#include <random>

namespace espalier {
namespace {

SaKeys keys(SecretPool& pool, std::uint8_t key, std::uint8_t salt) {
  return {SecretBytes::copy(pool, std::vector<std::uint8_t>(32, key)).value(),
          SecretBytes::copy(pool, std::vector<std::uint8_t>(4, salt)).value(),
          {}};
}

TEST(UsedKeys, KeyAndSaltTogetherAreWhatIsUsedOnce) {
  const auto pool = SecretPool::create().value();
  UsedKeys used;
  const auto first = used.fingerprint(keys(*pool, 1, 1));
  EXPECT_FALSE(used.contains(first));
  used.insert(first);
  EXPECT_TRUE(used.contains(used.fingerprint(keys(*pool, 1, 1))));
  EXPECT_FALSE(used.contains(used.fingerprint(keys(*pool, 1, 2))));
  EXPECT_FALSE(used.contains(used.fingerprint(keys(*pool, 2, 1))));
}

TEST(UsedKeys, NothingIsForgottenAsItGrows) {
  UsedKeys used;
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 100'000; ++i) {
    all.push_back(random());
    used.insert(all.back());
  }
  for (const std::uint64_t value : all) ASSERT_TRUE(used.contains(value));
  int found = 0;
  for (int i = 0; i < 100'000; ++i) found += used.contains(random());
  EXPECT_EQ(found, 0);
}

TEST(UsedKeys, TheHashIsAnotherInEveryProcess) {
  const auto pool = SecretPool::create().value();
  EXPECT_NE(UsedKeys().fingerprint(keys(*pool, 1, 1)), UsedKeys().fingerprint(keys(*pool, 1, 1)));
}

}  // namespace
}  // namespace espalier
