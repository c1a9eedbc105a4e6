// SPDX-License-Identifier: Apache-2.0
#include "model/transform_pattern.hpp"

#include <espalier/transform.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using testing::HasSubstr;

std::string name_of(std::string_view text) {
  const auto found = find_transform(text);
  return found ? std::string((*found)->name) : "refused: " + found.error().message;
}

Error refusal_of(std::string_view text) {
  const auto found = find_transform(text);
  EXPECT_FALSE(found) << text;
  return found ? Error{} : found.error();
}

TEST(FindTransform, TakesWhatStrongswanWrites) {
  EXPECT_EQ(name_of("aes256gcm"), "aes256gcm16");
  EXPECT_EQ(name_of("aes256gcm128"), "aes256gcm16");
  EXPECT_EQ(name_of("aes128gcm64"), "aes128gcm8");
  EXPECT_EQ(name_of("aes192gcm96"), "aes192gcm12");
  EXPECT_EQ(name_of("aes128-sha"), "aes128-sha1");
  EXPECT_EQ(name_of("aes128-sha2_256"), "aes128-sha256");
  EXPECT_EQ(name_of("AES256GCM16"), "aes256gcm16");
}

TEST(FindTransform, TakesWhatLibreswanWrites) {
  EXPECT_EQ(name_of("aes_gcm256"), "aes256gcm16");
  EXPECT_EQ(name_of("aes_gcm_c256"), "aes256gcm16");
  EXPECT_EQ(name_of("AES_GCM_16_256"), "aes256gcm16");
  EXPECT_EQ(name_of("aes_gcm_16_128-null"), "aes128gcm16");
  EXPECT_EQ(name_of("aes_gcm_a128"), "aes128gcm8");
  EXPECT_EQ(name_of("aes_gcm_b192-none"), "aes192gcm12");
  EXPECT_EQ(name_of("aes_ctr256-sha2_512"), "aes256ctr-sha512");
  EXPECT_EQ(name_of("aes_cbc_128-hmac_sha2_384"), "aes128-sha384");
  EXPECT_EQ(name_of("3des_cbc-hmac_md5"), "3des-md5");
  EXPECT_EQ(name_of("null_auth_aes_gmac_256"), "aes256gmac");
  EXPECT_EQ(name_of("chacha20_poly1305"), "chacha20poly1305");
  EXPECT_EQ(name_of("aes_gcm256-null"), "aes256gcm16");
  EXPECT_EQ(name_of("aes_gcm-256-null"), "aes256gcm16");
  EXPECT_EQ(name_of("aes_gcm_a-128-null"), "aes128gcm8");
  EXPECT_EQ(name_of("aes_gcm_16-192"), "aes192gcm16");
  EXPECT_EQ(name_of("aes-128-sha1"), "aes128-sha1");
  EXPECT_EQ(name_of("aes_192-sha2"), "aes192-sha256");
  EXPECT_EQ(name_of("aes256-sha2_256"), "aes256-sha256");
  EXPECT_EQ(name_of("AES_CBC_256-HMAC_SHA2_512_256"), "aes256-sha512");
  EXPECT_EQ(name_of("aes256-sha2_384_192"), "aes256-sha384");
  EXPECT_EQ(name_of("aes256-hmac_sha1_96"), "aes256-sha1");
  EXPECT_EQ(name_of("aesctr128-sha1_96"), "aes128ctr-sha1");
  EXPECT_EQ(name_of("3des-md5"), "3des-md5");
  EXPECT_EQ(name_of("3des-hmac_md5_96"), "3des-md5");
  EXPECT_EQ(name_of("null-sha"), "null-sha1");
  EXPECT_EQ(name_of("aes_gmac128-null"), "aes128gmac");
}

TEST(FindTransform, HasAPatternOfTheSpellingsThatItTakes) {
  const auto fits = testing::MatchesRegex(transform_pattern());
  for (const char* const name :
       {"aes256gcm16", "AES256GCM16", "aes256gcm", "aes_gcm_16_256", "AES_GCM_C_256",
        "aes_gcm-256-null", "aes_gcm_16-256", "chacha20_poly1305", "AES_CBC_256-HMAC_SHA2_512_256",
        "aes_192-sha2", "3DES-md5", "null-sha", "aes_gmac128-null", "aes128ctr-sha1"}) {
    EXPECT_TRUE(find_transform(name)) << name;
    EXPECT_THAT(name, fits);
  }
  for (const TransformInfo& info : transforms()) {
    EXPECT_THAT(std::string(info.name), fits);
    EXPECT_THAT(std::string(info.alias), testing::AnyOf("", fits));
  }
  for (const char* const name :
       {"", "aes", "aes256gmc16", "aes_gcm_16256", "des-md5", "aes256-sha256_96", "aes256-",
        "aes256-sha256-modp2048", "aes128ccm16", " aes256gcm16", "aes256-sha1!"}) {
    EXPECT_FALSE(find_transform(name)) << name;
    EXPECT_THAT(name, testing::Not(fits));
  }
}

TEST(FindTransform, AsksForAKeyLengthThatIsLeftOpen) {
  for (const char* const name : {"aes", "aes-sha256", "aes_gcm-null", "aes_gcm_16", "aes_ctr-sha1"})
    EXPECT_EQ(refusal_of(name).code, ErrorCode::invalid) << name;
  EXPECT_EQ(refusal_of("aes-sha256").message,
            "'aes-sha256' leaves the key length open, which IKE daemons fill in differently; write "
            "aes128-sha256, aes192-sha256 or aes256-sha256");
}

TEST(FindTransform, SaysWhatOfAnIkeProposalIsNoTransform) {
  EXPECT_EQ(
      refusal_of("aes256-sha256-modp2048").message,
      "'aes256-sha256-modp2048' holds 'modp2048', which is for the key exchange of IKE: write "
      "'aes256-sha256'");
  EXPECT_THAT(refusal_of("3des-sha1;dh22").message, HasSubstr("write '3des-sha1'"));
  EXPECT_THAT(refusal_of("aes128gcm16-esn").message,
              HasSubstr("write 'aes128gcm16', and esn = true beside it"));
  EXPECT_THAT(refusal_of("aes256-sha256,aes128-sha1").message, HasSubstr("one transform"));
  EXPECT_THAT(refusal_of("aes_gcm256-null+aes256-sha1").message, HasSubstr("one transform"));
  EXPECT_THAT(refusal_of("aes256-sha1!").message, HasSubstr("leave it away"));
}

TEST(FindTransform, SaysWhatItDoesNotDo) {
  EXPECT_EQ(refusal_of("aes256-sha256_96").message,
            "'aes256-sha256_96' is refused: Espalier does not do sha256_96; 'espalier transforms' "
            "lists what it does");
  for (const char* const name : {"aes128ccm16", "camellia256-sha1", "aes128-aesxcbc",
                                 "aes128-aes_cmac", "aes256-sha1_160", "3des-md5_128"})
    EXPECT_EQ(refusal_of(name).code, ErrorCode::unsupported) << name;
}

TEST(FindTransform, RefusesSingleDesWithTheRfc) {
  for (const char* const name : {"des", "des-sha1", "1des", "DES-MD5", "des_cbc-sha256"}) {
    const Error error = refusal_of(name);
    EXPECT_EQ(error.code, ErrorCode::unsupported) << name;
    EXPECT_THAT(error.message, HasSubstr("ENCR_DES is a MUST NOT (RFC 8221, section 5)")) << name;
  }
}

TEST(FindTransform, RefusesNullWithoutIntegrity) {
  for (const char* const name : {"null", "null-none", "null-null"}) {
    const Error error = refusal_of(name);
    EXPECT_EQ(error.code, ErrorCode::unsupported) << name;
    EXPECT_THAT(error.message, HasSubstr("NULL without integrity protects nothing")) << name;
  }
}

TEST(FindTransform, RefusesEncryptionWithoutAuthentication) {
  for (const char* const name : {"aes256", "aes128ctr", "3des", "aes_ctr192-none"}) {
    const Error error = refusal_of(name);
    EXPECT_EQ(error.code, ErrorCode::unsupported) << name;
    EXPECT_THAT(error.message,
                HasSubstr("encryption without authentication is not effective and MUST NOT be used "
                          "(RFC 8221, section 4)"))
        << name;
  }
  EXPECT_THAT(refusal_of("aes256").message, HasSubstr("like aes256-sha256"));
}

TEST(FindTransform, RefusesIntegrityBesideAnAead) {
  const Error error = refusal_of("aes256gcm16-sha256");
  EXPECT_EQ(error.code, ErrorCode::invalid);
  EXPECT_EQ(
      error.message,
      "'aes256gcm16-sha256' is refused: aes-gcm authenticates by itself; write 'aes256gcm16'");
}

TEST(FindTransform, SuggestsTheNearestName) {
  EXPECT_EQ(refusal_of("aes256gmc16").message,
            "unknown transform 'aes256gmc16'; did you mean 'aes256gcm16'?");
  EXPECT_EQ(refusal_of("aes256gcm17").message,
            "unknown transform 'aes256gcm17'; did you mean 'aes256gcm16'?");
  EXPECT_THAT(refusal_of("aes128-sha265").message, HasSubstr("did you mean 'aes128-sha256'?"));
  EXPECT_THAT(refusal_of("chacha20").message, HasSubstr("write it as strongSwan does"));
  EXPECT_EQ(refusal_of("aes256gcm17").code, ErrorCode::not_found);
}

TEST(FindTransform, RefusesWhatOnlyLooksLikeAName) {
  for (const char* const name :
       {"", "-", "-sha1", "aes512gcm16", "aes256-", "aes256-sha256-", "aes256-sha256-sha1",
        "aes256gcm16 ", "aes129-sha1", "sha256", "aes_gcm_16256", "aes-512-sha1", "aes256256",
        "aes__256-sha1", "-128-sha1"})
    EXPECT_EQ(refusal_of(name).code, ErrorCode::not_found) << name;
  for (const char c : {'a', ',', '-', '!'})
    EXPECT_LT(refusal_of(std::string(100000, c)).message.size(), 300U);
}

}  // namespace
}  // namespace espalier
