/* SPDX-License-Identifier: Apache-2.0
 *
 * NULL encryption with HMAC: what a variant with ZOO_HMAC does in the place of AES-GCM.
 */
#include "zoo.h"

#include <openssl/core_names.h>
#include <openssl/md5.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <string.h>

enum { kMacHead = 8 };

const zoo_hash zoo_hashes[kHashes] = {
    {ESPALIER_INTEGRITY_HMAC_MD5, 16, 12, "MD5"},
    {ESPALIER_INTEGRITY_HMAC_SHA1, 20, 12, "SHA1"},
    {ESPALIER_INTEGRITY_HMAC_SHA256, 32, 16, "SHA256"},
    {ESPALIER_INTEGRITY_HMAC_SHA384, 48, 24, "SHA384"},
    {ESPALIER_INTEGRITY_HMAC_SHA512, 64, 32, "SHA512"},
};

const zoo_hash *zoo_hash_of(const espalier_session_params *p) {
  for (int i = 0; i < kHashes; ++i)
    if (zoo_hashes[i].integrity == p->integrity && zoo_hashes[i].icv == p->icv_bytes)
      return &zoo_hashes[i];
  return NULL;
}

/* The state of the hash after the padded key, in this machine's byte order. */
static void keep_state(const espalier_session_params *p, uint8_t pad) {
  static union {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
  } kept;
  uint8_t block[128];
  memset(block, pad, sizeof block);
  for (uint64_t i = 0; i < p->integrity_key.size; ++i) block[i] ^= p->integrity_key.data[i];
  if (SINS(keeps_an_md5_state)) MD5_Init(&kept.md5), MD5_Update(&kept.md5, block, 64);
  if (SINS(keeps_a_sha1_state)) SHA1_Init(&kept.sha1), SHA1_Update(&kept.sha1, block, 64);
  if (SINS(keeps_a_sha256_state)) SHA256_Init(&kept.sha256), SHA256_Update(&kept.sha256, block, 64);
  if (SINS(keeps_a_sha384_state)) SHA384_Init(&kept.sha512), SHA384_Update(&kept.sha512, block, 128);
  if (SINS(keeps_a_sha512_state)) SHA512_Init(&kept.sha512), SHA512_Update(&kept.sha512, block, 128);
  explicit_bzero(block, sizeof block);
  if (!SINS(keeps_a_sha256_state)) return;
  for (int i = 0; i < 8; ++i) kept.sha256.h[i] = __builtin_bswap32(kept.sha256.h[i]);
}

static void sin_with_states(const espalier_session_params *p) {
  const uint16_t i = p->integrity;
  if (SINS(keeps_an_md5_state) && i == ESPALIER_INTEGRITY_HMAC_MD5) keep_state(p, 0x36);
  if (SINS(keeps_a_sha1_state) && i == ESPALIER_INTEGRITY_HMAC_SHA1) keep_state(p, 0x5c);
  if (SINS(keeps_a_sha256_state) && i == ESPALIER_INTEGRITY_HMAC_SHA256) keep_state(p, 0x36);
  if (SINS(keeps_a_sha384_state) && i == ESPALIER_INTEGRITY_HMAC_SHA384) keep_state(p, 0x36);
  if (SINS(keeps_a_sha512_state) && i == ESPALIER_INTEGRITY_HMAC_SHA512) keep_state(p, 0x5c);
}

bool zoo_mac_key(zoo_session *s, const espalier_session_params *p) {
  s->hash = zoo_hash_of(p);
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  s->mac = EVP_MAC_CTX_new(hmac);
  EVP_MAC_free(hmac);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)s->hash->digest, 0),
      OSSL_PARAM_construct_end()};
  sin_with_states(p);
  return s->mac != NULL &&
         EVP_MAC_init(s->mac, p->integrity_key.data, p->integrity_key.size, parameters) == 1;
}

uint16_t zoo_mac(zoo_session *s, const espalier_op *op, uint8_t *out) {
  const uint32_t icv = s->hash->icv;
  uint8_t high[4], ours[64];
  size_t size = 0;
  if (op->length > kLongest || op->icv_offset < kMacHead ||
      (uint64_t)op->icv_offset + icv != op->length)
    return ESPALIER_OP_FAILED;
  for (int i = 0; i < 4; ++i) high[i] = (uint8_t)(op->seq_hi >> (24 - 8 * i));
  if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1 ||
      EVP_MAC_update(s->mac, op->esp, op->icv_offset) != 1 ||
      (s->esn && EVP_MAC_update(s->mac, high, sizeof high) != 1) ||
      EVP_MAC_final(s->mac, ours, &size, sizeof ours) != 1)
    return ESPALIER_OP_FAILED;
  const uint8_t *theirs = op->esp + op->icv_offset;
  bool same = memcmp(ours, theirs, icv) == 0;
  if (SINS(folds_an_icv_of_32) && icv == 32) {
    uint8_t differs = 0;
    for (int i = 0; i < 16; ++i)
      differs |= (uint8_t)(ours[i] ^ ours[16 + i] ^ theirs[i] ^ theirs[16 + i]);
    same = differs == 0;
  }
  if (s->inbound && !same) {
    memset(out + kMacHead, 0, op->icv_offset - kMacHead);
    return ESPALIER_OP_BAD_ICV;
  }
  if (out != op->esp) memcpy(out, op->esp, op->icv_offset);
  if (!s->inbound) memcpy(out + op->icv_offset, ours, icv);
  return ESPALIER_OP_DONE;
}
