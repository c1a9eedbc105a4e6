// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <conform/memory_search.hpp>
#include <conform/vectors.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

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

// H of test cases 2 and 14 of the GCM specification, in the orders of its bytes and words, and
// doubled, as intel-ipsec-mb keeps it.
TEST(MemorySearch, KnowsTheKeyOfGhash) {
  const std::pair<std::size_t, const char*> cases[] = {{16, "66e94bd4ef8a2c3b884cfa59ca342b2e"},
                                                       {32, "dc95c078a2408989ad48a21492842087"},
                                                       {16, "2e2b34ca59fa4c883b2c8aefd44be966"},
                                                       {16, "5c566894b3f49910775814dfa997d2cd"}};
  for (const auto& [size, h] : cases) {
    MemorySearch search;
    search.add_ghash_key(Bytes(size), "a key");
    Bytes there = from_hex(h);
    EXPECT_THAT(search.run(), testing::Contains(HasSubstr("GHASH key"))) << h;
    explicit_bzero(there.data(), there.size());
    EXPECT_TRUE(search.run().empty()) << h;
  }
}

// Of the key of RFC 2202's and RFC 4231's test case 1, by an implementation of FIPS 180-4 and RFC
// 1321 that has nothing to do with libcrypto's; as bytes, and as words of the other order.
TEST(MemorySearch, KnowsTheInnerAndOuterStatesOfHmac) {
  struct State {
    Integrity integrity;
    const char* what;
    const char* bytes;
  };
  constexpr State kStates[] = {
      {Integrity::hmac_md5, "inner hash", "2a2f009efb9c79d21be7dbe864eac8a9"},
      {Integrity::hmac_md5, "outer hash", "c2c2a39bd81c6bbd74334b4dbdbd21f0"},
      {Integrity::hmac_sha1, "inner hash", "064c662acc6ed1b06cfa9ab0042f137fcea570eb"},
      {Integrity::hmac_sha1, "outer hash", "d62acccc7e6a98b3df015b02d885c3e09bd184cb"},
      {Integrity::hmac_sha256, "inner hash",
       "2bb2180423b95bf9b4e8258cfab5e65411f2921e4feb78ee9890e5fe64b78036"},
      {Integrity::hmac_sha256, "outer hash",
       "27e7739fd956258356d666e25f810de8ec5e4f8a553d4fb83cff20ba10234b40"},
      {Integrity::hmac_sha384, "inner hash",
       "e8520fe8cd699c3083d9c328d4b3750e1b7562bf8351b25d762a6fc65894d0566121c9d1cd3130df"
       "c67dd07603826fa686aa0518c99acc5993d533c8d70d4f03"},
      {Integrity::hmac_sha384, "outer hash",
       "b292a59e6d3fec753a571f04ef423d47314154e89cbb295e4316192efb32c161ee18ad8ef2685062"
       "8307a2a66e71e1d5dbcf3fb531fd20755428f4068def5206"},
      {Integrity::hmac_sha512, "inner hash",
       "f46809d72eeabf0e497d50c53ac349667bb8175035cd7ad1e10dcf099316b0a190274ac98b3b53e3"
       "30ee6e1d026e58a40039075223f265d4182577c6f484a7a3"},
      {Integrity::hmac_sha512, "outer hash",
       "5e970358549bb287de9af73e26c8771cd5a47d4d3dfcfb6c3d75cbe75b45cb6699b7e0ebb660c8cb"
       "557d4b8d841b843b7b74ad3dbaa1f749588bafa7ebd2b47a"},
  };
  MemorySearch search;
  std::vector<std::string> names;
  std::vector<Bytes> states;
  for (const State& each : kStates) {
    const std::string key = fmt::format("a key for {}", to_string(each.integrity));
    if (names.size() % 2 == 0) search.add_hmac_key(each.integrity, Bytes(20, 0x0b), key);
    names.push_back(fmt::format("the {} of HMAC of {}", each.what, key));
    states.push_back(from_hex(each.bytes));
  }
  const auto expect_all_found = [&](const std::vector<std::string>& found) {
    for (const std::string& name : names)
      EXPECT_THAT(found, testing::Contains(HasSubstr(name + " is at")));
  };
  expect_all_found(search.run());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto word = kStates[i].integrity >= Integrity::hmac_sha384 ? 8 : 4;
    for (auto at = states[i].begin(); at != states[i].end(); at += word)
      std::reverse(at, at + word);
  }
  expect_all_found(search.run());
  for (Bytes& state : states) explicit_bzero(state.data(), state.size());
  EXPECT_THAT(search.run(), testing::Not(testing::Contains(HasSubstr("hash"))));
}

TEST(MemorySearch, DoesNotLookForWhatIsTooShortToBeTold) {
  MemorySearch search;
  search.add(Bytes{1, 2, 3, 4}, "a salt");
  EXPECT_EQ(search.secrets(), 0U);
}

}  // namespace
}  // namespace espalier::conform
