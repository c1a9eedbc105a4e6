// SPDX-License-Identifier: Apache-2.0
//
// What every userspace backend needs of ESP: which parts a packet of a session has, whether an op
// fits them, and the small pieces (AAD, nonce, compare) that are easy to get wrong. C++17,
// header-only, no dependency but plugin.hpp.
#pragma once

#include <espalier/plugin.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace espalier::sdk {

inline constexpr uint32_t kEspHeader = 8;  // SPI and the low sequence bits
inline constexpr uint32_t kSalt = 4;
inline constexpr uint32_t kAeadIv = 8;  // on the wire; also that of CTR (RFC 3686)
inline constexpr uint32_t kAeadNonce = kSalt + kAeadIv;

// How the packets of one session are laid out: header, IV, payload, ICV.
struct EspShape {
  uint32_t iv_bytes = 0;
  uint32_t block_bytes = 1;  // the payload is a multiple of this power of two
  uint32_t icv_bytes = 0;
  bool inbound = false;
  bool esn = false;  // the high sequence bits enter the ICV

  uint32_t payload_offset() const noexcept { return kEspHeader + iv_bytes; }
};

// Whether the op is a packet of this shape. One that is not must be answered OP_FAILED, untouched.
inline bool fits(const EspShape& shape, const espalier_op& op) noexcept {
  const uint32_t payload = op.icv_offset - shape.payload_offset();  // huge if the offset is short
  return op.icv_offset >= shape.payload_offset() && (payload & (shape.block_bytes - 1)) == 0 &&
         op.length == uint64_t{op.icv_offset} + shape.icv_bytes;
}

inline bool in_place(const espalier_op& op) noexcept {
  return op.dst == nullptr || op.dst == op.esp;
}

inline uint8_t* target(const espalier_op& op) noexcept {
  return op.dst == nullptr ? op.esp : op.dst;
}

inline void store_be32(uint8_t* to, uint32_t value) noexcept {
  to[0] = static_cast<uint8_t>(value >> 24);
  to[1] = static_cast<uint8_t>(value >> 16);
  to[2] = static_cast<uint8_t>(value >> 8);
  to[3] = static_cast<uint8_t>(value);
}

// The AAD of an AEAD with extended sequence numbers: SPI, high bits, low bits (RFC 4106 5). Without
// ESN it is the ESP header itself.
inline void write_esn_aad(uint8_t (&aad)[12], const espalier_op& op) noexcept {
  std::memcpy(aad, op.esp, 4);
  store_be32(aad + 4, op.seq_hi);
  std::memcpy(aad + 8, op.esp + 4, 4);
}

// No early exit, so that the time taken says nothing about where the two differ.
inline bool equal_in_constant_time(const uint8_t* a, const uint8_t* b, std::size_t size) noexcept {
  uint64_t difference = 0;
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {  // ICVs are whole words
    uint32_t x = 0;
    uint32_t y = 0;
    std::memcpy(&x, a + i, 4);
    std::memcpy(&y, b + i, 4);
    difference |= x ^ y;
  }
  for (; i < size; ++i) difference |= static_cast<uint64_t>(a[i] ^ b[i]);
  __asm__ volatile("" : "+r"(difference));
  return difference == 0;
}

// Overwrites memory in a way that the compiler keeps.
inline void wipe(void* memory, std::size_t size) noexcept {
  std::memset(memory, 0, size);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

namespace detail {

inline Refusal malformed(std::string sentence) {
  return {ESPALIER_INVALID, "session refused: " + std::move(sentence)};
}

inline std::string must_be(const char* what, const char* expected, uint64_t got) {
  return std::string(what) + " must have " + expected + " bytes, not " + std::to_string(got);
}

struct CipherRule {
  uint32_t iv_bytes, block_bytes, salt_bytes;
  bool aead;
  const char* key_lengths;
};

inline CipherRule rule_of(uint16_t cipher) noexcept {
  switch (cipher) {
    case ESPALIER_CIPHER_NULL:
      return {0, 1, 0, false, "0"};
    case ESPALIER_CIPHER_AES_CBC:
      return {16, 16, 0, false, "16, 24 or 32"};
    case ESPALIER_CIPHER_AES_CTR:
      return {8, 1, kSalt, false, "16, 24 or 32"};
    case ESPALIER_CIPHER_3DES_CBC:
      return {8, 8, 0, false, "24"};
    case ESPALIER_CIPHER_AES_GCM:
    case ESPALIER_CIPHER_AES_GMAC:
      return {8, 1, kSalt, true, "16, 24 or 32"};
    case ESPALIER_CIPHER_CHACHA20_POLY1305:
      return {8, 1, kSalt, true, "32"};
    default:
      return {0, 0, 0, false, ""};
  }
}

inline bool key_length_fits(uint16_t cipher, uint64_t size) noexcept {
  switch (cipher) {
    case ESPALIER_CIPHER_NULL:
      return size == 0;
    case ESPALIER_CIPHER_3DES_CBC:
      return size == 24;
    case ESPALIER_CIPHER_CHACHA20_POLY1305:
      return size == 32;
    default:
      return size == 16 || size == 24 || size == 32;
  }
}

inline bool icv_length_fits(const espalier_session_params& p, bool aead) noexcept {
  if (p.cipher == ESPALIER_CIPHER_AES_GCM)
    return p.icv_bytes == 8 || p.icv_bytes == 12 || p.icv_bytes == 16;
  if (aead) return p.icv_bytes == 16;
  switch (p.integrity) {  // RFC 2403, 2404, 4868
    case ESPALIER_INTEGRITY_HMAC_MD5:
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return p.icv_bytes == 12;
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return p.icv_bytes == 16;
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return p.icv_bytes == 24;
    case ESPALIER_INTEGRITY_HMAC_SHA512:
      return p.icv_bytes == 32;
    default:
      return false;
  }
}

}  // namespace detail

// The shape of a session's packets, or why these parameters make no session: what is checked is
// what the RFCs fix (key, salt, ICV lengths). HMAC keys may have any length of 1 to 1024 bytes.
// Whether a device can do the transform is the device's own question.
inline Result<EspShape> shape_of(const espalier_session_params& p) {
  using detail::malformed;
  const auto rule = detail::rule_of(p.cipher);
  if (rule.block_bytes == 0)
    return Refusal{ESPALIER_UNSUPPORTED, "unknown cipher " + std::to_string(p.cipher)};
  if (p.direction != ESPALIER_OUTBOUND && p.direction != ESPALIER_INBOUND)
    return malformed("its direction must be outbound or inbound");
  if (p.esn > 1) return malformed("esn must be 0 or 1");
  if (!detail::key_length_fits(p.cipher, p.cipher_key.size))
    return malformed(detail::must_be("the cipher key", rule.key_lengths, p.cipher_key.size));
  if (p.salt.size != rule.salt_bytes)
    return malformed(detail::must_be("the salt", rule.salt_bytes == 0 ? "0" : "4", p.salt.size));
  if (rule.aead != (p.integrity == ESPALIER_INTEGRITY_NONE))
    return malformed(rule.aead ? "an AEAD takes no integrity algorithm"
                               : "a cipher that is no AEAD needs an integrity algorithm");
  if (rule.aead ? p.integrity_key.size != 0
                : p.integrity_key.size == 0 || p.integrity_key.size > 1024)
    return malformed(
        detail::must_be("the integrity key", rule.aead ? "0" : "1 to 1024", p.integrity_key.size));
  if (!detail::icv_length_fits(p, rule.aead))
    return malformed("an ICV of " + std::to_string(p.icv_bytes) +
                     " bytes does not go with this algorithm");
  return EspShape{rule.iv_bytes, rule.block_bytes, p.icv_bytes, p.direction == ESPALIER_INBOUND,
                  p.esn == 1};
}

// What a userspace backend says of one transform when the engine does all else of ESP: both
// directions, modes, encapsulations, families and kinds of sequence number.
inline espalier_capability esp_capability(uint16_t cipher, uint16_t integrity, uint32_t key_bits,
                                          uint32_t icv_bits, uint32_t score,
                                          uint32_t max_length = 0) noexcept {
  auto c = sized<espalier_capability>();
  c.cipher = cipher;
  c.integrity = integrity;
  c.key_bits = key_bits;
  c.icv_bytes = icv_bits;
  c.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
  c.modes = ESPALIER_TUNNEL | ESPALIER_TRANSPORT;
  c.encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
  c.families = ESPALIER_IPV4 | ESPALIER_IPV6;
  c.esn = 3;
  c.max_length = max_length;
  c.score = score;
  return c;
}

}  // namespace espalier::sdk
