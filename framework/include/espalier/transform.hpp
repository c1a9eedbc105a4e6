// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

// Values are those of abi.h.
enum class Cipher : std::uint8_t {
  null = 1,
  aes_cbc,
  aes_ctr,
  des3_cbc,
  aes_gcm,
  chacha20_poly1305,
  aes_gmac,
};
enum class Integrity : std::uint8_t {
  none = 1,  // the cipher is an AEAD
  hmac_md5,
  hmac_sha1,
  hmac_sha256,
  hmac_sha384,
  hmac_sha512,
};

// The algorithms of an SA with their key and ICV lengths.
struct Transform {
  Cipher cipher = Cipher::aes_gcm;
  std::uint16_t key_bits = 256;  // of the cipher, without salt; 0 for NULL
  Integrity integrity = Integrity::none;
  std::uint8_t icv_bytes = 16;

  friend bool operator==(const Transform&, const Transform&) = default;
};

// Everything known of a transform: the one place where it is written down.
struct TransformInfo {
  Transform transform;
  std::string_view name;         // strongSwan's proposal keyword: "aes256gcm16"
  std::string_view alias;        // libreswan's name, or ""
  std::string_view iana;         // IANA's IKEv2 names: "ENCR_AES_GCM_16", "ENCR_AES_CBC+AUTH_..."
  std::string_view kernel_name;  // as in /proc/crypto: "rfc4106(gcm(aes))"
  std::uint8_t cipher_key_bytes = 0;
  std::uint8_t salt_bytes = 0;
  std::uint8_t integrity_key_bytes = 0;
  std::uint8_t iv_bytes = 0;     // on the wire
  std::uint8_t block_bytes = 4;  // padding multiple: cipher block, at least 4 (RFC 4303 2.4)
  std::string_view warning;      // why it should be avoided, or ""
};

// Every transform that Espalier knows, in a fixed order.
std::span<const TransformInfo> transforms() noexcept;

// By name or alias. The error says what is wrong, suggests the nearest name, and for refused
// transforms (1DES, NULL without integrity, CBC without integrity) why.
Result<const TransformInfo*> find_transform(std::string_view name);

// The table's entry, or nullptr for a combination that is not in it.
const TransformInfo* transform_info(const Transform& transform) noexcept;

// The table's name, "aes256gcm16"; for a combination that is not in the table a description.
std::string to_string(const Transform& transform);

// The names of the saved inventory: "aes-gcm", "hmac-sha256".
const char* to_string(Cipher cipher) noexcept;
const char* to_string(Integrity integrity) noexcept;

// True for ciphers for which a repeated IV under one key is fatal: GCM, GMAC, CTR, ChaCha20.
bool is_counter_mode(Cipher cipher) noexcept;

}  // namespace espalier
