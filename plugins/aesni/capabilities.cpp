// SPDX-License-Identifier: Apache-2.0
#include "capabilities.hpp"

#include <espalier/esp_op.hpp>

#include "hmac_lanes.hpp"

namespace espalier::aesni {
namespace {

// OpenSSL's time for a packet over ours, times 100: the geometric mean of 64, 512 and 1420 bytes,
// both directions, bursts of 32. From `bench_backends --scores [PATH]` on Zen 5 with ipsec-mb 1.3
// and OpenSSL 3.0, rounded. OpenSSL had AVX-512 in all three, so that sse and avx2 are cautious.
struct Score {
  std::uint16_t sse, avx2, avx512;

  std::uint32_t on(Path path) const noexcept {
    return path == Path::avx512 ? avx512 : path == Path::avx2 ? avx2 : sse;
  }
};

constexpr Score kGcm = {255, 300, 610};
constexpr Score kGmac = {305, 305, 680};
constexpr Score kChacha20 = {90, 115, 250};

struct Hash {
  std::uint16_t integrity;
  std::uint32_t icv;
  Score with_null, with_cbc, with_ctr;
  std::uint16_t with_3des;  // avx512
};

constexpr Hash kHashes[] = {{ESPALIER_INTEGRITY_HMAC_MD5,
                             ESPALIER_ICV(12),
                             {250, 430, 440},
                             {300, 430, 530},
                             {270, 430, 500},
                             360},
                            {ESPALIER_INTEGRITY_HMAC_SHA1,
                             ESPALIER_ICV(12),
                             {220, 165, 380},
                             {290, 225, 520},
                             {255, 190, 465},
                             360},
                            {ESPALIER_INTEGRITY_HMAC_SHA256,
                             ESPALIER_ICV(16),
                             {195, 195, 270},
                             {260, 260, 380},
                             {230, 230, 340},
                             360},
                            {ESPALIER_INTEGRITY_HMAC_SHA384,
                             ESPALIER_ICV(24),
                             {80, 150, 405},
                             {105, 195, 500},
                             {95, 180, 475},
                             360},
                            {ESPALIER_INTEGRITY_HMAC_SHA512,
                             ESPALIER_ICV(32),
                             {80, 150, 400},
                             {105, 190, 490},
                             {95, 175, 465},
                             360}};

}  // namespace

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
  for (const Hash& h : kHashes) {
    all.push_back(sdk::esp_capability(ESPALIER_CIPHER_NULL, h.integrity, any, h.icv,
                                      h.with_null.on(path), longest));
    all.push_back(sdk::esp_capability(ESPALIER_CIPHER_AES_CBC, h.integrity, aes, h.icv,
                                      h.with_cbc.on(path), longest));
    all.push_back(sdk::esp_capability(ESPALIER_CIPHER_AES_CTR, h.integrity, aes, h.icv,
                                      h.with_ctr.on(path), longest));
    if (does_3des(path))
      all.push_back(sdk::esp_capability(ESPALIER_CIPHER_3DES_CBC, h.integrity, any, h.icv,
                                        h.with_3des, longest));
  }
  return all;
}

}  // namespace espalier::aesni
