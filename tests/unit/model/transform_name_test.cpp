// SPDX-License-Identifier: Apache-2.0
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
       {"", "-", "-sha1", "aes", "aes-sha256", "aes512gcm16", "aes256-", "aes256-sha256-",
        "aes256-sha256-modp2048", "aes256gcm16 ", "aes129-sha1", "sha256"})
    EXPECT_EQ(refusal_of(name).code, ErrorCode::not_found) << name;
  EXPECT_LT(refusal_of(std::string(100000, 'a')).message.size(), 300U);
}

}  // namespace
}  // namespace espalier
