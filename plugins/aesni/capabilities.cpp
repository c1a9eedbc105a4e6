// SPDX-License-Identifier: Apache-2.0
#include "capabilities.hpp"

#include <espalier/esp_op.hpp>

#include "hmac_lanes.hpp"

namespace espalier::aesni {
namespace {

// OpenSSL's time for a packet over ours, times 100: the geometric mean of 64, 512 and 1420 bytes,
// both directions, bursts of 32. From `bench_backends --scores PATH` on Zen 5 with ipsec-mb 1.3 and
// OpenSSL 3.0, rounded; OpenSSL had no more of the CPU than the path has (OPENSSL_ia32cap).
// 0: not faster than OpenSSL, and left to it. With four lanes or two, SHA-384 and SHA-512 are not,
// unless there is CBC to encrypt, which OpenSSL does one packet at a time; and ipsec-mb has lanes
// for 3DES with AVX-512 alone, elsewhere it is plain C.
struct Score {
  std::uint16_t sse, avx2, avx512;

  std::uint32_t on(Path path) const noexcept {
    return path == Path::avx512 ? avx512 : path == Path::avx2 ? avx2 : sse;
  }
};

constexpr Score kGcm = {305, 305, 615};
constexpr Score kGmac = {380, 305, 680};
constexpr Score kChacha20 = {155, 130, 250};

struct Hash {
  std::uint16_t integrity;
  std::uint32_t icv;
  Score with_null, with_cbc, with_ctr, with_3des;
};

constexpr Hash kHashes[] = {{ESPALIER_INTEGRITY_HMAC_MD5,
                             ESPALIER_ICV(12),
                             {230, 360, 360},
                             {270, 385, 430},
                             {245, 355, 405},
                             {0, 0, 365}},
                            {ESPALIER_INTEGRITY_HMAC_SHA1,
                             ESPALIER_ICV(12),
                             {160, 120, 285},
                             {250, 190, 430},
                             {210, 160, 385},
                             {0, 0, 360}},
                            {ESPALIER_INTEGRITY_HMAC_SHA256,
                             ESPALIER_ICV(16),
                             {150, 145, 205},
                             {225, 220, 315},
                             {190, 185, 275},
                             {0, 0, 355}},
                            {ESPALIER_INTEGRITY_HMAC_SHA384,
                             ESPALIER_ICV(24),
                             {0, 130, 350},
                             {110, 165, 430},
                             {0, 150, 400},
                             {0, 0, 365}},
                            {ESPALIER_INTEGRITY_HMAC_SHA512,
                             ESPALIER_ICV(32),
                             {0, 130, 345},
                             {110, 165, 420},
                             {0, 145, 390},
                             {0, 0, 365}}};

const Score* score_with(const Hash& hash, std::uint16_t cipher) noexcept {
  switch (cipher) {
    case ESPALIER_CIPHER_NULL:
      return &hash.with_null;
    case ESPALIER_CIPHER_AES_CBC:
      return &hash.with_cbc;
    case ESPALIER_CIPHER_AES_CTR:
      return &hash.with_ctr;
    case ESPALIER_CIPHER_3DES_CBC:
      return &hash.with_3des;
    default:
      return nullptr;
  }
}

}  // namespace

bool does(Path path, std::uint16_t cipher, std::uint16_t integrity) noexcept {
  for (const Hash& hash : kHashes) {
    if (hash.integrity != integrity) continue;
    const Score* const score = score_with(hash, cipher);
    return score != nullptr && score->on(path) != 0;
  }
  return integrity == ESPALIER_INTEGRITY_NONE;
}

std::vector<espalier_capability> capabilities(Path path) {
  constexpr std::uint32_t aes = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
  constexpr std::uint32_t any = ESPALIER_KEY_ANY;
  constexpr std::uint32_t longest = HmacLanes::kMaxLength;
  constexpr std::uint16_t none = ESPALIER_INTEGRITY_NONE;
  constexpr std::uint32_t icv16 = ESPALIER_ICV(16);
  constexpr std::uint32_t gcm_icvs = ESPALIER_ICV(8) | ESPALIER_ICV(12) | icv16;
  std::vector<espalier_capability> all = {
      sdk::esp_capability(ESPALIER_CIPHER_AES_GCM, none, aes, gcm_icvs, kGcm.on(path)),
      sdk::esp_capability(ESPALIER_CIPHER_AES_GMAC, none, aes, icv16, kGmac.on(path)),
      sdk::esp_capability(ESPALIER_CIPHER_CHACHA20_POLY1305, none, any, icv16, kChacha20.on(path))};
  for (const Hash& hash : kHashes) {
    for (const std::uint16_t cipher : {ESPALIER_CIPHER_NULL, ESPALIER_CIPHER_AES_CBC,
                                       ESPALIER_CIPHER_AES_CTR, ESPALIER_CIPHER_3DES_CBC}) {
      if (!does(path, cipher, hash.integrity)) continue;
      const bool is_aes = cipher == ESPALIER_CIPHER_AES_CBC || cipher == ESPALIER_CIPHER_AES_CTR;
      all.push_back(sdk::esp_capability(cipher, hash.integrity, is_aes ? aes : any, hash.icv,
                                        score_with(hash, cipher)->on(path), longest));
    }
  }
  return all;
}

}  // namespace espalier::aesni
