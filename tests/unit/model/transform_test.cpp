// SPDX-License-Identifier: Apache-2.0
#include <espalier/transform.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace espalier {
namespace {

const TransformInfo& info_of(std::string_view name) {
  const auto found = find_transform(name);
  EXPECT_TRUE(found) << (found ? "" : found.error().message);
  return **found;
}

TEST(TransformTable, HoldsEveryTransformOfTheScope) {
  std::set<std::string> expected = {"chacha20poly1305"};
  for (const std::string bits : {"128", "192", "256"}) {
    for (const std::string icv : {"8", "12", "16"}) expected.insert("aes" + bits + "gcm" + icv);
    expected.insert("aes" + bits + "gmac");
  }
  for (const std::string hmac : {"md5", "sha1", "sha256", "sha384", "sha512"})
    for (const std::string cipher :
         {"aes128", "aes192", "aes256", "aes128ctr", "aes192ctr", "aes256ctr", "3des", "null"})
      expected.insert(cipher + "-" + hmac);
  std::set<std::string> names;
  for (const TransformInfo& info : transforms()) names.insert(std::string(info.name));
  EXPECT_EQ(names, expected);
  EXPECT_EQ(transforms().size(), expected.size()) << "a name stands twice";
}

TEST(TransformTable, NamesEachTransformOnce) {
  std::set<std::string_view> names;
  for (const TransformInfo& info : transforms()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    if (!info.alias.empty()) {
      EXPECT_TRUE(names.insert(info.alias).second) << info.alias;
    }
    EXPECT_EQ(transform_info(info.transform), &info) << info.name;
  }
}

TEST(TransformTable, IsFoundByItsOwnNamesAndAliases) {
  for (const TransformInfo& info : transforms()) {
    EXPECT_EQ(&info_of(info.name), &info) << info.name;
    if (!info.alias.empty()) {
      EXPECT_EQ(&info_of(info.alias), &info) << info.alias;
    }
    EXPECT_EQ(to_string(info.transform), info.name);
  }
}

struct Expected {
  std::string_view name, iana, kernel;
  unsigned key, salt, integrity_key, iv, block, icv;
};

// Written from the RFCs: GCM 4106, GMAC 4543, ChaCha20-Poly1305 7634, CBC 3602, CTR 3686,
// 3DES 2451, NULL 2410, HMAC-MD5 2403, -SHA1 2404, -SHA2 4868.
TEST(TransformTable, HasTheSizesOfTheRfcs) {
  const Expected table[] = {
      {"aes256gcm16", "ENCR_AES_GCM_16", "rfc4106(gcm(aes))", 32, 4, 0, 8, 4, 16},
      {"aes192gcm12", "ENCR_AES_GCM_12", "rfc4106(gcm(aes))", 24, 4, 0, 8, 4, 12},
      {"aes128gcm8", "ENCR_AES_GCM_8", "rfc4106(gcm(aes))", 16, 4, 0, 8, 4, 8},
      {"chacha20poly1305", "ENCR_CHACHA20_POLY1305", "rfc7539esp(chacha20,poly1305)", 32, 4, 0, 8,
       4, 16},
      {"aes128gmac", "ENCR_NULL_AUTH_AES_GMAC", "rfc4543(gcm(aes))", 16, 4, 0, 8, 4, 16},
      {"aes128-sha1", "ENCR_AES_CBC+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),cbc(aes))", 16, 0, 20,
       16, 16, 12},
      {"aes256-sha256", "ENCR_AES_CBC+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),cbc(aes))", 32,
       0, 32, 16, 16, 16},
      {"aes192ctr-sha384", "ENCR_AES_CTR+AUTH_HMAC_SHA2_384_192",
       "authenc(hmac(sha384),rfc3686(ctr(aes)))", 24, 4, 48, 8, 4, 24},
      {"3des-md5", "ENCR_3DES+AUTH_HMAC_MD5_96", "authenc(hmac(md5),cbc(des3_ede))", 24, 0, 16, 8,
       8, 12},
      {"null-sha512", "ENCR_NULL+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),ecb(cipher_null))",
       0, 0, 64, 0, 4, 32},
  };
  for (const Expected& expected : table) {
    const TransformInfo& info = info_of(expected.name);
    EXPECT_EQ(info.iana, expected.iana);
    EXPECT_EQ(info.kernel_name, expected.kernel);
    EXPECT_EQ(info.cipher_key_bytes, expected.key) << expected.name;
    EXPECT_EQ(info.salt_bytes, expected.salt) << expected.name;
    EXPECT_EQ(info.integrity_key_bytes, expected.integrity_key) << expected.name;
    EXPECT_EQ(info.iv_bytes, expected.iv) << expected.name;
    EXPECT_EQ(info.block_bytes, expected.block) << expected.name;
    EXPECT_EQ(info.transform.icv_bytes, expected.icv) << expected.name;
    EXPECT_EQ(info.transform.key_bits, expected.key * 8) << expected.name;
  }
}

TEST(TransformTable, WarnsOfWhatShouldBeAvoidedAndOfNothingElse) {
  for (const TransformInfo& info : transforms()) {
    const bool clear =
        info.transform.cipher == Cipher::null || info.transform.cipher == Cipher::aes_gmac;
    const bool md5 = info.transform.integrity == Integrity::hmac_md5;
    const bool des3 = info.transform.cipher == Cipher::des3_cbc;
    EXPECT_EQ(info.warning.contains("not encrypted"), clear) << info.name;
    EXPECT_EQ(info.warning.contains("HMAC-MD5 MUST NOT"), md5) << info.name;
    EXPECT_EQ(info.warning.contains("3DES SHOULD NOT"), des3) << info.name;
    EXPECT_EQ(info.warning.contains("RFC 8221"), md5 || des3) << info.name;
    EXPECT_EQ(info.warning.empty(), !clear && !md5 && !des3) << info.name;
  }
}

TEST(Transform, OutsideOfTheTableIsDescribed) {
  const Transform odd{Cipher::aes_gcm, 200, Integrity::none, 16};
  EXPECT_EQ(transform_info(odd), nullptr);
  EXPECT_EQ(to_string(odd), "aes-gcm with a 200-bit key, integrity none and an ICV of 16 bytes");
}

TEST(Transform, KnowsWhereARepeatedIvIsFatal) {
  for (const Cipher cipher :
       {Cipher::aes_gcm, Cipher::aes_gmac, Cipher::aes_ctr, Cipher::chacha20_poly1305})
    EXPECT_TRUE(is_counter_mode(cipher)) << to_string(cipher);
  for (const Cipher cipher : {Cipher::aes_cbc, Cipher::des3_cbc, Cipher::null})
    EXPECT_FALSE(is_counter_mode(cipher)) << to_string(cipher);
}

}  // namespace
}  // namespace espalier
