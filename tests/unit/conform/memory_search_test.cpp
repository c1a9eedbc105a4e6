// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <conform/memory_search.hpp>
#include <conform/vectors.hpp>

#include <cstring>

namespace espalier::conform {
namespace {

using testing::HasSubstr;

TEST(MemorySearch, FindsASecretAndNotItself) {
  Bytes secret(24);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(7 * i + 3);
  MemorySearch search;
  search.add(secret, "the secret");
  ASSERT_EQ(search.run().size(), 1U);
  EXPECT_THAT(search.run().front(), HasSubstr("the secret is at 0x"));
  explicit_bzero(secret.data(), secret.size());
  EXPECT_TRUE(search.run().empty());
}

// FIPS 197, appendix A.1 and A.3: a round key out of the middle of each schedule.
TEST(MemorySearch, KnowsTheScheduleOfAnAesKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"2b7e151628aed2a6abf7158809cf4f3c", "d4d1c6f87c839d87caf2b8bc11f915bc"},
      {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "4db7b4bd69b5411885a74796e92538fd"},
      {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
       "cafaaae3e4d59b349adf6acebd10190d"}};
  for (const auto& [key, round_key] : cases) {
    MemorySearch search;
    search.add_aes_key(from_hex(key), "a key");
    Bytes there = from_hex(round_key);
    const auto found = search.run();
    EXPECT_THAT(found, testing::Contains(HasSubstr("round key"))) << round_key;
    explicit_bzero(there.data(), there.size());
  }
}

TEST(MemorySearch, FindsTheEndOfASecretWhoseBeginningIsGone) {
  Bytes secret(32);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(11 * i + 2);
  MemorySearch search;
  search.add(secret, "the secret");
  explicit_bzero(secret.data(), 16);
  ASSERT_EQ(search.run().size(), 1U);
  EXPECT_THAT(search.run().front(), HasSubstr("a part of the secret is at 0x"));
  explicit_bzero(secret.data(), 24);
  EXPECT_TRUE(search.run().empty());
  EXPECT_EQ(search.secrets(), 1U);
}

// H of test cases 2 and 14 of the GCM specification.
TEST(MemorySearch, KnowsTheKeyOfGhash) {
  const std::pair<std::size_t, const char*> cases[] = {{16, "66e94bd4ef8a2c3b884cfa59ca342b2e"},
                                                       {32, "dc95c078a2408989ad48a21492842087"},
                                                       {16, "2e2b34ca59fa4c883b2c8aefd44be966"}};
  for (const auto& [size, h] : cases) {
    MemorySearch search;
    search.add_ghash_key(Bytes(size), "a key");
    Bytes there = from_hex(h);
    EXPECT_THAT(search.run(), testing::Contains(HasSubstr("GHASH key"))) << h;
    explicit_bzero(there.data(), there.size());
    EXPECT_TRUE(search.run().empty()) << h;
  }
}

TEST(MemorySearch, DoesNotLookForWhatIsTooShortToBeTold) {
  MemorySearch search;
  search.add(Bytes{1, 2, 3, 4}, "a salt");
  EXPECT_EQ(search.secrets(), 0U);
}

}  // namespace
}  // namespace espalier::conform
