// SPDX-License-Identifier: Apache-2.0
//
// The one place where transforms are written down. Sizes follow from the algorithms: the ciphers'
// RFCs (GCM 4106, GMAC 4543, ChaCha20 7634, CBC 3602, CTR 3686, 3DES 2451, NULL 2410) and the
// HMACs' (2403, 2404, 4868).
#pragma once

#include <espalier/transform.hpp>

namespace espalier::transform_table {

struct CipherSizes {
  std::uint8_t salt_bytes, iv_bytes, block_bytes;
};

constexpr CipherSizes sizes_of(Cipher cipher) {
  switch (cipher) {
    case Cipher::null:
      return {0, 0, 4};
    case Cipher::aes_cbc:
      return {0, 16, 16};
    case Cipher::des3_cbc:
      return {0, 8, 8};
    case Cipher::aes_ctr:
    case Cipher::aes_gcm:
    case Cipher::chacha20_poly1305:
    case Cipher::aes_gmac:
      return {4, 8, 4};
  }
  return {};
}

struct IntegritySizes {
  std::uint8_t key_bytes, icv_bytes;
};

constexpr IntegritySizes sizes_of(Integrity integrity) {
  switch (integrity) {
    case Integrity::none:
      return {0, 0};
    case Integrity::hmac_md5:
      return {16, 12};
    case Integrity::hmac_sha1:
      return {20, 12};
    case Integrity::hmac_sha256:
      return {32, 16};
    case Integrity::hmac_sha384:
      return {48, 24};
    case Integrity::hmac_sha512:
      return {64, 32};
  }
  return {};
}

constexpr std::string_view warning_of(Cipher cipher, Integrity integrity) {
  const bool md5 = integrity == Integrity::hmac_md5;
  if (cipher == Cipher::null && md5)
    return "not encrypted: NULL only authenticates; and HMAC-MD5 MUST NOT be used (RFC 8221)";
  if (cipher == Cipher::des3_cbc && md5)
    return "3DES SHOULD NOT and HMAC-MD5 MUST NOT be used (RFC 8221)";
  if (cipher == Cipher::null) return "not encrypted: NULL only authenticates";
  if (cipher == Cipher::aes_gmac) return "not encrypted: GMAC only authenticates";
  if (cipher == Cipher::des3_cbc)
    return "3DES SHOULD NOT be used (RFC 8221): slow, and its 64-bit blocks are too small";
  if (md5) return "HMAC-MD5 MUST NOT be used (RFC 8221)";
  return "";
}

constexpr TransformInfo entry(Transform transform, std::string_view name, std::string_view alias,
                              std::string_view iana, std::string_view kernel_name) {
  const CipherSizes cipher = sizes_of(transform.cipher);
  return {.transform = transform,
          .name = name,
          .alias = alias,
          .iana = iana,
          .kernel_name = kernel_name,
          .cipher_key_bytes = static_cast<std::uint8_t>(transform.key_bits / 8),
          .salt_bytes = cipher.salt_bytes,
          .integrity_key_bytes = sizes_of(transform.integrity).key_bytes,
          .iv_bytes = cipher.iv_bytes,
          .block_bytes = cipher.block_bytes,
          .warning = warning_of(transform.cipher, transform.integrity)};
}

constexpr TransformInfo aead(Cipher cipher, std::uint16_t key_bits, std::uint8_t icv_bytes,
                             std::string_view name, std::string_view alias, std::string_view iana,
                             std::string_view kernel_name) {
  return entry({cipher, key_bits, Integrity::none, icv_bytes}, name, alias, iana, kernel_name);
}

constexpr TransformInfo with_hmac(Cipher cipher, std::uint16_t key_bits, Integrity integrity,
                                  std::string_view name, std::string_view alias,
                                  std::string_view iana, std::string_view kernel_name) {
  const std::uint8_t icv_bytes = sizes_of(integrity).icv_bytes;
  return entry({cipher, key_bits, integrity, icv_bytes}, name, alias, iana, kernel_name);
}

// Name (strongSwan's keyword), alias (libreswan's), IANA's names, the kernel's name.
inline constexpr TransformInfo kTransforms[] = {
    aead(Cipher::aes_gcm, 128, 16, "aes128gcm16", "aes_gcm_16_128", "ENCR_AES_GCM_16",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 192, 16, "aes192gcm16", "aes_gcm_16_192", "ENCR_AES_GCM_16",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 256, 16, "aes256gcm16", "aes_gcm_16_256", "ENCR_AES_GCM_16",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 128, 12, "aes128gcm12", "aes_gcm_12_128", "ENCR_AES_GCM_12",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 192, 12, "aes192gcm12", "aes_gcm_12_192", "ENCR_AES_GCM_12",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 256, 12, "aes256gcm12", "aes_gcm_12_256", "ENCR_AES_GCM_12",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 128, 8, "aes128gcm8", "aes_gcm_8_128", "ENCR_AES_GCM_8",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 192, 8, "aes192gcm8", "aes_gcm_8_192", "ENCR_AES_GCM_8",
         "rfc4106(gcm(aes))"),
    aead(Cipher::aes_gcm, 256, 8, "aes256gcm8", "aes_gcm_8_256", "ENCR_AES_GCM_8",
         "rfc4106(gcm(aes))"),
    aead(Cipher::chacha20_poly1305, 256, 16, "chacha20poly1305", "chacha20_poly1305",
         "ENCR_CHACHA20_POLY1305", "rfc7539esp(chacha20,poly1305)"),
    aead(Cipher::aes_gmac, 128, 16, "aes128gmac", "aes_gmac128", "ENCR_NULL_AUTH_AES_GMAC",
         "rfc4543(gcm(aes))"),
    aead(Cipher::aes_gmac, 192, 16, "aes192gmac", "aes_gmac192", "ENCR_NULL_AUTH_AES_GMAC",
         "rfc4543(gcm(aes))"),
    aead(Cipher::aes_gmac, 256, 16, "aes256gmac", "aes_gmac256", "ENCR_NULL_AUTH_AES_GMAC",
         "rfc4543(gcm(aes))"),
    with_hmac(Cipher::aes_cbc, 128, Integrity::hmac_md5, "aes128-md5", "",
              "ENCR_AES_CBC+AUTH_HMAC_MD5_96", "authenc(hmac(md5),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 128, Integrity::hmac_sha1, "aes128-sha1", "",
              "ENCR_AES_CBC+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 128, Integrity::hmac_sha256, "aes128-sha256", "aes128-sha2_256",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 128, Integrity::hmac_sha384, "aes128-sha384", "aes128-sha2_384",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_384_192", "authenc(hmac(sha384),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 128, Integrity::hmac_sha512, "aes128-sha512", "aes128-sha2_512",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 192, Integrity::hmac_md5, "aes192-md5", "",
              "ENCR_AES_CBC+AUTH_HMAC_MD5_96", "authenc(hmac(md5),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 192, Integrity::hmac_sha1, "aes192-sha1", "",
              "ENCR_AES_CBC+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 192, Integrity::hmac_sha256, "aes192-sha256", "aes192-sha2_256",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 192, Integrity::hmac_sha384, "aes192-sha384", "aes192-sha2_384",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_384_192", "authenc(hmac(sha384),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 192, Integrity::hmac_sha512, "aes192-sha512", "aes192-sha2_512",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 256, Integrity::hmac_md5, "aes256-md5", "",
              "ENCR_AES_CBC+AUTH_HMAC_MD5_96", "authenc(hmac(md5),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 256, Integrity::hmac_sha1, "aes256-sha1", "",
              "ENCR_AES_CBC+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 256, Integrity::hmac_sha256, "aes256-sha256", "aes256-sha2_256",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 256, Integrity::hmac_sha384, "aes256-sha384", "aes256-sha2_384",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_384_192", "authenc(hmac(sha384),cbc(aes))"),
    with_hmac(Cipher::aes_cbc, 256, Integrity::hmac_sha512, "aes256-sha512", "aes256-sha2_512",
              "ENCR_AES_CBC+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),cbc(aes))"),
    with_hmac(Cipher::aes_ctr, 128, Integrity::hmac_md5, "aes128ctr-md5", "aes_ctr128-md5",
              "ENCR_AES_CTR+AUTH_HMAC_MD5_96", "authenc(hmac(md5),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 128, Integrity::hmac_sha1, "aes128ctr-sha1", "aes_ctr128-sha1",
              "ENCR_AES_CTR+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 128, Integrity::hmac_sha256, "aes128ctr-sha256",
              "aes_ctr128-sha2_256", "ENCR_AES_CTR+AUTH_HMAC_SHA2_256_128",
              "authenc(hmac(sha256),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 128, Integrity::hmac_sha384, "aes128ctr-sha384",
              "aes_ctr128-sha2_384", "ENCR_AES_CTR+AUTH_HMAC_SHA2_384_192",
              "authenc(hmac(sha384),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 128, Integrity::hmac_sha512, "aes128ctr-sha512",
              "aes_ctr128-sha2_512", "ENCR_AES_CTR+AUTH_HMAC_SHA2_512_256",
              "authenc(hmac(sha512),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 192, Integrity::hmac_md5, "aes192ctr-md5", "aes_ctr192-md5",
              "ENCR_AES_CTR+AUTH_HMAC_MD5_96", "authenc(hmac(md5),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 192, Integrity::hmac_sha1, "aes192ctr-sha1", "aes_ctr192-sha1",
              "ENCR_AES_CTR+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 192, Integrity::hmac_sha256, "aes192ctr-sha256",
              "aes_ctr192-sha2_256", "ENCR_AES_CTR+AUTH_HMAC_SHA2_256_128",
              "authenc(hmac(sha256),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 192, Integrity::hmac_sha384, "aes192ctr-sha384",
              "aes_ctr192-sha2_384", "ENCR_AES_CTR+AUTH_HMAC_SHA2_384_192",
              "authenc(hmac(sha384),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 192, Integrity::hmac_sha512, "aes192ctr-sha512",
              "aes_ctr192-sha2_512", "ENCR_AES_CTR+AUTH_HMAC_SHA2_512_256",
              "authenc(hmac(sha512),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 256, Integrity::hmac_md5, "aes256ctr-md5", "aes_ctr256-md5",
              "ENCR_AES_CTR+AUTH_HMAC_MD5_96", "authenc(hmac(md5),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 256, Integrity::hmac_sha1, "aes256ctr-sha1", "aes_ctr256-sha1",
              "ENCR_AES_CTR+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 256, Integrity::hmac_sha256, "aes256ctr-sha256",
              "aes_ctr256-sha2_256", "ENCR_AES_CTR+AUTH_HMAC_SHA2_256_128",
              "authenc(hmac(sha256),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 256, Integrity::hmac_sha384, "aes256ctr-sha384",
              "aes_ctr256-sha2_384", "ENCR_AES_CTR+AUTH_HMAC_SHA2_384_192",
              "authenc(hmac(sha384),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::aes_ctr, 256, Integrity::hmac_sha512, "aes256ctr-sha512",
              "aes_ctr256-sha2_512", "ENCR_AES_CTR+AUTH_HMAC_SHA2_512_256",
              "authenc(hmac(sha512),rfc3686(ctr(aes)))"),
    with_hmac(Cipher::des3_cbc, 192, Integrity::hmac_md5, "3des-md5", "",
              "ENCR_3DES+AUTH_HMAC_MD5_96", "authenc(hmac(md5),cbc(des3_ede))"),
    with_hmac(Cipher::des3_cbc, 192, Integrity::hmac_sha1, "3des-sha1", "",
              "ENCR_3DES+AUTH_HMAC_SHA1_96", "authenc(hmac(sha1),cbc(des3_ede))"),
    with_hmac(Cipher::des3_cbc, 192, Integrity::hmac_sha256, "3des-sha256", "3des-sha2_256",
              "ENCR_3DES+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),cbc(des3_ede))"),
    with_hmac(Cipher::des3_cbc, 192, Integrity::hmac_sha384, "3des-sha384", "3des-sha2_384",
              "ENCR_3DES+AUTH_HMAC_SHA2_384_192", "authenc(hmac(sha384),cbc(des3_ede))"),
    with_hmac(Cipher::des3_cbc, 192, Integrity::hmac_sha512, "3des-sha512", "3des-sha2_512",
              "ENCR_3DES+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),cbc(des3_ede))"),
    with_hmac(Cipher::null, 0, Integrity::hmac_md5, "null-md5", "", "ENCR_NULL+AUTH_HMAC_MD5_96",
              "authenc(hmac(md5),ecb(cipher_null))"),
    with_hmac(Cipher::null, 0, Integrity::hmac_sha1, "null-sha1", "", "ENCR_NULL+AUTH_HMAC_SHA1_96",
              "authenc(hmac(sha1),ecb(cipher_null))"),
    with_hmac(Cipher::null, 0, Integrity::hmac_sha256, "null-sha256", "null-sha2_256",
              "ENCR_NULL+AUTH_HMAC_SHA2_256_128", "authenc(hmac(sha256),ecb(cipher_null))"),
    with_hmac(Cipher::null, 0, Integrity::hmac_sha384, "null-sha384", "null-sha2_384",
              "ENCR_NULL+AUTH_HMAC_SHA2_384_192", "authenc(hmac(sha384),ecb(cipher_null))"),
    with_hmac(Cipher::null, 0, Integrity::hmac_sha512, "null-sha512", "null-sha2_512",
              "ENCR_NULL+AUTH_HMAC_SHA2_512_256", "authenc(hmac(sha512),ecb(cipher_null))"),
};

}  // namespace espalier::transform_table
