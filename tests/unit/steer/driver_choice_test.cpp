// SPDX-License-Identifier: Apache-2.0
#include "steer/driver_choice.hpp"

#include "fake_kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::steer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Transform transform(std::string_view name) { return (*find_transform(name))->transform; }

std::string chosen(FakeKernel& kernel, std::string_view name, std::string_view wanted,
                   bool esn = false) {
  const auto binding = choose_driver(transform(name), esn, wanted, kernel.algorithms);
  return binding ? binding->driver : "none: " + binding.error().message;
}

TEST(EspAlgorithm, IsWhatTheKernelIsAskedFor) {
  EXPECT_EQ(esp_algorithm(transform("aes256gcm16"), true), "seqiv(rfc4106(gcm(aes)))");
  EXPECT_EQ(esp_algorithm(transform("aes128gmac"), false), "seqiv(rfc4543(gcm(aes)))");
  EXPECT_EQ(esp_algorithm(transform("aes128-sha1"), false),
            "echainiv(authenc(hmac(sha1),cbc(aes)))");
  EXPECT_EQ(esp_algorithm(transform("aes128-sha1"), true),
            "echainiv(authencesn(hmac(sha1),cbc(aes)))");
  EXPECT_EQ(esp_algorithm(transform("aes128ctr-sha256"), false),
            "seqiv(authenc(hmac(sha256),rfc3686(ctr(aes))))");
  EXPECT_EQ(esp_algorithm(transform("null-sha256"), false),
            "authenc(hmac(sha256),ecb(cipher_null))");
}

TEST(DriverChoice, ADriverOfTheWholeTransformIsTaken) {
  FakeKernel kernel;
  EXPECT_EQ(chosen(kernel, "aes128gcm16", "rfc4106-gcm-aesni"), "seqiv(rfc4106-gcm-aesni)");
  EXPECT_EQ(chosen(kernel, "aes128gcm16", "seqiv(rfc4106-gcm-aesni)"), "seqiv(rfc4106-gcm-aesni)");
}

TEST(DriverChoice, TheNameOfTheAlgorithmIsTheKernelsOwnChoice) {
  FakeKernel kernel;
  EXPECT_EQ(chosen(kernel, "aes128gcm16", "rfc4106(gcm(aes))"), "seqiv(rfc4106-gcm-aesni-avx)");
  EXPECT_EQ(chosen(kernel, "aes128-sha1", "authenc(hmac(sha1),cbc(aes))"),
            "echainiv(authenc(hmac(sha1-generic),cbc-aes-aesni))");
}

TEST(DriverChoice, ADriverOfAPartGetsTheBestOfTheRest) {
  FakeKernel kernel;
  kernel.add("cbc(aes)", "virtio_crypto_aes_cbc", 150, "skcipher");
  kernel.add("sha1", "sha1-padlock", 300, "shash");
  EXPECT_EQ(chosen(kernel, "aes128-sha1", "virtio_crypto_aes_cbc"),
            "echainiv(authenc(hmac(sha1-padlock),virtio_crypto_aes_cbc))");
  EXPECT_EQ(chosen(kernel, "aes256-sha1", "sha1-padlock", true),
            "echainiv(authencesn(hmac(sha1-padlock),cbc-aes-aesni))");
  EXPECT_EQ(chosen(kernel, "aes256gcm16", "aes-generic"),
            "seqiv(rfc4106(gcm_base(ctr(aes-generic),ghash-generic)))");
}

TEST(DriverChoice, DriversPutTogetherAreTakenAsTheyAre) {
  FakeKernel kernel;
  const std::string generic = "rfc4106(gcm_base(ctr(aes-generic),ghash-generic))";
  EXPECT_EQ(chosen(kernel, "aes128gcm16", generic), "seqiv(" + generic + ")");
  EXPECT_THAT(chosen(kernel, "aes128-sha1", generic), HasSubstr("does not make a driver of"));
  EXPECT_THAT(chosen(kernel, "aes128gcm16", "rfc4106(gcm_base(ctr(aes-generic),sha1-generic))"),
              HasSubstr("does not make a driver of"));
  // The kernel loads the module of a part by itself.
  const std::string other = "rfc4106(gcm_base(ctr(aes-generic),ghash-x))";
  EXPECT_EQ(chosen(kernel, "aes128gcm16", other), "seqiv(" + other + ")");
}

TEST(DriverChoice, PcryptIsOutermostRestsAtZeroAndWantsAWindow) {
  FakeKernel kernel;
  const Binding wanted{"seqiv(rfc4106(gcm(aes)))", "pcrypt(seqiv(rfc4106-gcm-aesni-avx))", 0, 128};
  for (const char* said : {"pcrypt(rfc4106-gcm-aesni-avx)", "seqiv(pcrypt(rfc4106-gcm-aesni-avx))",
                           "pcrypt(seqiv(rfc4106-gcm-aesni-avx))", "pcrypt(rfc4106(gcm(aes)))"}) {
    SCOPED_TRACE(said);
    const auto binding = choose_driver(transform("aes128gcm16"), true, said, kernel.algorithms);
    ASSERT_TRUE(binding) << binding.error().message;
    EXPECT_EQ(*binding, wanted);
  }
}

TEST(DriverChoice, OnesOwnChoiceIsNeverPcryptOfSomebodyElse) {
  FakeKernel kernel;
  kernel.add("rfc4106(gcm(aes))", "pcrypt(rfc4106-gcm-aesni-avx)", 600);
  EXPECT_EQ(chosen(kernel, "aes128gcm16", "pcrypt(rfc4106(gcm(aes)))"),
            "pcrypt(seqiv(rfc4106-gcm-aesni-avx))");
}

TEST(DriverChoice, ANameThatTheKernelsNetlinkCutsIsRefused) {
  FakeKernel kernel;
  const std::string generic = "pcrypt(rfc4106(gcm_base(ctr(aes-generic),ghash-generic)))";
  const auto binding = choose_driver(transform("aes128gcm16"), false, generic, kernel.algorithms);
  ASSERT_FALSE(binding);
  EXPECT_EQ(binding.error().code, ErrorCode::unsupported);
  EXPECT_THAT(binding.error().message, HasSubstr("64 characters"));
}

TEST(DriverChoice, WhatIsNotThereOrForNobodyIsRefusedWithTheReason) {
  FakeKernel kernel;
  const auto missing =
      choose_driver(transform("aes128-sha1"), false, "qat_aes_cbc_hmac_sha1", kernel.algorithms);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(chosen(kernel, "aes128gcm16", "__rfc4106-gcm-aesni-avx"),
              HasSubstr("for other drivers of the kernel only"));
  EXPECT_THAT(chosen(kernel, "aes128gcm16", "cbc-aes-aesni"), HasSubstr("no part of"));
  EXPECT_THAT(chosen(kernel, "aes128gcm16", "pcrypt(("), HasSubstr("is no name"));
}

TEST(DriverChoice, ADriverOfBothInOneHasNoEsn) {
  FakeKernel kernel;
  kernel.add("authenc(hmac(sha1),cbc(aes))", "qat_aes_cbc_hmac_sha1", 100);
  EXPECT_EQ(chosen(kernel, "aes128-sha1", "qat_aes_cbc_hmac_sha1"),
            "echainiv(qat_aes_cbc_hmac_sha1)");
  EXPECT_THAT(chosen(kernel, "aes128-sha1", "qat_aes_cbc_hmac_sha1", true),
              HasSubstr("no part of"));
}

TEST(ReplayWindow, IsRaisedInboundWherePacketsOvertakeAndNeverOutbound) {
  const Binding parallel{"n", "pcrypt(d)", 0, 128};
  EXPECT_EQ(replay_window_for(parallel, Direction::inbound, 0), 128u);
  EXPECT_EQ(replay_window_for(parallel, Direction::inbound, 32), 128u);
  EXPECT_EQ(replay_window_for(parallel, Direction::inbound, 1024), 1024u);
  EXPECT_EQ(replay_window_for(parallel, Direction::outbound, 1024), 0u);
  EXPECT_EQ(replay_window_for({"n", "d"}, Direction::inbound, 32), 32u);
}

Algorithm driver(const std::string& name, std::uint32_t priority, std::uint32_t refcnt = 1) {
  Algorithm made;
  made.name = "n";
  made.driver = name;
  made.priority = priority;
  made.refcnt = refcnt;
  return made;
}

TEST(ToBeFirst, RaisesOnlyWhoIsNotFirst) {
  const std::vector<Algorithm> drivers{driver("a", 500), driver("b", 100)};
  EXPECT_THAT(*to_be_first("a", drivers, {}), IsEmpty());
  EXPECT_THAT(*to_be_first("b", drivers, {}), ElementsAre(Priority{"b", 1500}));
}

TEST(ToBeFirst, AnEqualOneIsNotFirst) {
  const std::vector<Algorithm> drivers{driver("a", 500), driver("b", 500)};
  EXPECT_THAT(*to_be_first("a", drivers, {}), ElementsAre(Priority{"a", 1500}));
}

TEST(ToBeFirst, WhatWeHoldGivesWayBeforeAnotherIsRaised) {
  const std::vector<Algorithm> drivers{driver("a", 500), driver("ours", 9000), driver("c", 100)};
  const std::vector<Priority> resting{{"ours", 0}};
  EXPECT_THAT(*to_be_first("a", drivers, resting), ElementsAre(Priority{"ours", 0}));
  EXPECT_THAT(*to_be_first("c", drivers, resting),
              ElementsAre(Priority{"ours", 0}, Priority{"c", 1500}));
}

TEST(ToBeFirst, WhatIsAtWorkOnTopGivesWayWhoeverRaisedIt) {
  const std::vector<Algorithm> drivers{driver("a", 500), driver("pcrypt(a)", 9000)};
  EXPECT_THAT(*to_be_first("a", drivers, {}), ElementsAre(Priority{"pcrypt(a)", 0}));
  EXPECT_THAT(*to_be_first("pcrypt(a)", drivers, {}), IsEmpty());
}

TEST(ToBeFirst, NothingCanBeAheadOfTheHighest) {
  const std::vector<Algorithm> drivers{driver("a", 500), driver("b", 0x7fffffff)};
  EXPECT_EQ(to_be_first("a", drivers, {}).error().code, ErrorCode::conflict);
}

TEST(Inference, ExactlyOneMoreUserIsTheSa) {
  EXPECT_TRUE(infer("a", std::vector{driver("a", 1, 3), driver("b", 1, 2)},
                    std::vector{driver("a", 1, 4), driver("b", 1, 2)})
                  .inferred);
}

TEST(Inference, AUserOfPcryptIsOneOfWhatIsInsideAsWell) {
  const std::vector before{driver("a", 1, 3), driver("pcrypt(a)", 1, 2)};
  EXPECT_TRUE(infer("pcrypt(a)", before, std::vector{driver("a", 1, 4), driver("pcrypt(a)", 1, 3)})
                  .inferred);
  EXPECT_FALSE(infer("pcrypt(a)", before, std::vector{driver("a", 1, 3), driver("pcrypt(a)", 1, 3)})
                   .inferred);
  EXPECT_FALSE(
      infer("a", before, std::vector{driver("a", 1, 4), driver("pcrypt(a)", 1, 3)}).inferred);
}

TEST(Inference, AnythingElseIsUnknown) {
  const std::vector before{driver("a", 1, 3), driver("b", 1, 2)};
  EXPECT_FALSE(infer("a", before, before).inferred);
  EXPECT_FALSE(infer("a", before, std::vector{driver("a", 1, 5), driver("b", 1, 2)}).inferred);
  EXPECT_FALSE(infer("a", before, std::vector{driver("a", 1, 2), driver("b", 1, 2)}).inferred);
  EXPECT_FALSE(infer("a", before, std::vector{driver("a", 1, 4), driver("b", 1, 3)}).inferred)
      << "two SAs came, and which is which nobody knows";
  EXPECT_FALSE(infer("a", before, std::vector{driver("b", 1, 2)}).inferred);
  EXPECT_THAT(infer("a", before, std::vector{driver("a", 1, 5)}).why, HasSubstr("2 users more"));
}

}  // namespace
}  // namespace espalier::steer
