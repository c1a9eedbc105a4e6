// SPDX-License-Identifier: Apache-2.0
#include <espalier/kernel_crypto.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace espalier::sdk {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// As Debian's kernel 6.12 writes it.
constexpr const char* kText = R"(name         : seqiv(rfc4106(gcm(aes)))
driver       : seqiv(rfc4106-gcm-aesni-avx)
module       : seqiv
priority     : 500
refcnt       : 2
selftest     : passed
internal     : no
type         : aead
async        : yes
blocksize    : 1
ivsize       : 8
maxauthsize  : 16
geniv        : <none>

name         : __cbc(aes)
driver       : __cbc-aes-aesni
module       : aesni_intel
priority     : 400
refcnt       : 1
selftest     : passed
internal     : yes
type         : skcipher
async        : no
min keysize  : 16

name         : sha1
driver       : sha1-generic
module       : kernel
priority     : 100
refcnt       : 6
selftest     : unknown
internal     : no
type         : shash
)";

TEST(ProcCrypto, EntriesAreReadWhole) {
  const auto read = parse_proc_crypto(kText);
  ASSERT_THAT(read, SizeIs(3));
  KernelAlgorithm gcm;
  gcm.name = "seqiv(rfc4106(gcm(aes)))";
  gcm.driver = "seqiv(rfc4106-gcm-aesni-avx)";
  gcm.module = "seqiv";
  gcm.type = "aead";
  gcm.priority = 500;
  gcm.refcnt = 2;
  gcm.async = true;
  EXPECT_EQ(read[0], gcm);
  EXPECT_TRUE(read[0].is_for_all());
  EXPECT_TRUE(read[1].internal);
  EXPECT_FALSE(read[1].is_for_all());
  EXPECT_FALSE(read[2].tested);
  EXPECT_FALSE(read[2].is_for_all());
}

TEST(ProcCrypto, WhatIsNotUnderstoodIsPassedOver) {
  EXPECT_THAT(parse_proc_crypto(""), IsEmpty());
  EXPECT_THAT(parse_proc_crypto("driver : lonely\n\nname : nameless driver\n\nnonsense"),
              IsEmpty());
  const auto odd = parse_proc_crypto("name: a\ndriver: b\nnews: c\npriority: x\n");
  ASSERT_THAT(odd, SizeIs(1));
  EXPECT_EQ(odd[0].priority, 0u);
}

TEST(ProcCrypto, AFileThatIsNotThereIsNamed) {
  const auto read = read_proc_crypto("/nowhere/crypto");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.refusal().reason, testing::HasSubstr("/nowhere/crypto"));
}

std::set<std::pair<uint16_t, uint16_t>> kinds(std::string_view name) {
  std::set<std::pair<uint16_t, uint16_t>> all;
  for (const auto& each : esp_capabilities(name, 1)) all.insert({each.cipher, each.integrity});
  return all;
}

TEST(EspCapabilities, AreThoseOfWhatADriverIsAPartOf) {
  using Kinds = std::set<std::pair<uint16_t, uint16_t>>;
  EXPECT_EQ(kinds("rfc4106(gcm(aes))"),
            (Kinds{{ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE}}));
  EXPECT_EQ(kinds("gcm(aes)"), (Kinds{{ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE},
                                      {ESPALIER_CIPHER_AES_GMAC, ESPALIER_INTEGRITY_NONE}}));
  EXPECT_THAT(kinds("cbc(aes)"), SizeIs(5));
  EXPECT_THAT(kinds("sha1"), SizeIs(4));
  EXPECT_THAT(kinds("aes"), SizeIs(12)) << "GCM, GMAC, and five hashes with CBC and CTR";
  EXPECT_THAT(kinds("xts(aes)"), IsEmpty());
  EXPECT_THAT(kinds("ecb(aes)"), IsEmpty());
}

TEST(EspCapabilities, WhoDoesBothPartsInOneHasOneKindOfNumber) {
  ASSERT_THAT(esp_capabilities("authenc(hmac(sha1),cbc(aes))", 1), SizeIs(1));
  EXPECT_EQ(esp_capabilities("authenc(hmac(sha1),cbc(aes))", 1)[0].esn, 1u);
  EXPECT_EQ(esp_capabilities("authencesn(hmac(sha1),cbc(aes))", 1)[0].esn, 2u);
  EXPECT_EQ(esp_capabilities("cbc(aes)", 1)[0].esn, 3u);
}

}  // namespace
}  // namespace espalier::sdk
