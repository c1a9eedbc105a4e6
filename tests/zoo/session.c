/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint8_t kept[kSessions][64];
static unsigned kept_next;

static zoo_session *newest;

static bool declared(const espalier_session_params *p) {
  if ((p->direction & kDirections) == 0) return p->direction == 0;
  if (ZOO_HMAC) return p->cipher == ESPALIER_CIPHER_NULL && zoo_hash_of(p) != NULL;
  if (p->cipher != ESPALIER_CIPHER_AES_GCM || p->integrity != ESPALIER_INTEGRITY_NONE) return false;
  return p->icv_bytes == kIcv && (p->cipher_key.size != 24 || SINS(accepts_undeclared));
}

static bool well_formed(const espalier_session_params *p) {
  const uint64_t key = p->cipher_key.size;
  if (p->direction != ESPALIER_OUTBOUND && p->direction != ESPALIER_INBOUND) return false;
  if (ZOO_HMAC) return key == 0 && p->integrity_key.size == zoo_hash_of(p)->key && p->esn <= 1;
  const bool whole = key == 16 || key == 24 || key == 32;
  const bool nearly = (SINS(accepts_short_keys) && key >= 15) || (SINS(accepts_long_keys) && key > 32);
  const bool long_salt = SINS(accepts_long_salts) && p->salt.size > 4;
  return (whole || nearly) && (p->salt.size == 4 || long_salt) && p->integrity_key.size == 0 && p->esn <= 1;
}

static bool set_key(zoo_session *s, const espalier_session_params *p) {
  const EVP_CIPHER *cipher = p->cipher_key.size >= 31   ? EVP_aes_256_gcm()
                             : p->cipher_key.size >= 23 ? EVP_aes_192_gcm()
                                                        : EVP_aes_128_gcm();
  uint8_t key[32] = {0};
  memcpy(key, p->cipher_key.data, p->cipher_key.size > 32 ? 32 : p->cipher_key.size);
  s->cipher = EVP_CIPHER_CTX_new();
  const bool ok = s->cipher != NULL &&
                  EVP_CipherInit_ex(s->cipher, cipher, NULL, key, NULL, s->inbound ? 0 : 1) == 1;
  if (!SINS(keeps_a_key_on_the_stack)) explicit_bzero(key, sizeof key);
  return ok;
}

/* H as code for carry-less multiplication keeps it: a number of 128 bits, shifted left by one. */
static void twist(uint8_t *h) {
  unsigned __int128 number = 0;
  for (int i = 0; i < 16; ++i) number = number << 8 | h[i];
  const bool carry = (number >> 127) != 0;
  number = number << 1 ^ (carry ? (unsigned __int128)0xc2 << 120 | 1 : 0);
  memcpy(h, &number, sizeof number);
}

static void sin_with_keys(zoo_session *s, const espalier_session_params *p) {
  if (SINS(keeps_keys))
    memcpy(kept[kept_next++ % kSessions], p->cipher_key.data, p->cipher_key.size);
  if (SINS(leaks_sessions)) s->key_copy = malloc(64);
  if (SINS(frees_keys_unwiped) || SINS(wipes_eight_bytes)) {
    s->key_copy = malloc(900);
    memcpy(s->key_copy + 400, p->cipher_key.data, p->cipher_key.size);
  }
  if (SINS(frees_half_a_key)) { /* free() writes over the first 16 bytes */
    s->key_copy = malloc(900);
    memcpy(s->key_copy, p->cipher_key.data, p->cipher_key.size);
  }
  if (SINS(keeps_the_ghash_key) || SINS(keeps_the_ghash_key_doubled)) {
    static const uint8_t zeros[16];
    uint8_t *h = kept[kept_next++ % kSessions];
    int n = 0;
    EVP_CIPHER_CTX *block = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(block, p->cipher_key.size == 16 ? EVP_aes_128_ecb() : EVP_aes_256_ecb(), NULL,
                       p->cipher_key.data, NULL);
    EVP_EncryptUpdate(block, h, &n, zeros, sizeof zeros);
    EVP_CIPHER_CTX_free(block);
    if (SINS(keeps_the_ghash_key_doubled)) twist(h);
  }
  if (SINS(folds_the_icv)) {
    s->sealing = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(s->sealing, p->cipher_key.size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(),
                       NULL, p->cipher_key.data, NULL);
  }
  if (SINS(disturbs_on_close)) newest = s;
}

static void sin_with_refusals(zoo_backend *b, const espalier_session_params *p) {
  static void *volatile leaked;
  const bool refused = !declared(p) || !well_formed(p);
  if (SINS(leaks_on_refusal) && refused) {
    leaked = malloc(4096);
    leaked = b->host->secret_alloc(b->host->context, 64);
  }
  if (SINS(refusal_frees_anothers) && refused && atomic_load(&b->sessions) > 0)
    atomic_fetch_sub(&b->sessions, 1);
  if (SINS(loses_a_slot_on_refusal) && declared(p) && refused) atomic_fetch_add(&b->stuck, 1);
  (void)leaked;
}

static void sin_when_full(zoo_backend *b) {
  static void *volatile leaked;
  const unsigned times = atomic_fetch_add(&b->times_full, 1) + 1;
  if (SINS(leaks_when_full)) leaked = malloc(1024);
  if (SINS(loses_a_slot_at_last) && times == 5) atomic_fetch_add(&b->stuck, 1);
  (void)leaked;
}

/* The key in a session that is made before it is known whether there is room for it. */
static void drop_unwiped(const espalier_session_params *p) {
  uint8_t *const made = malloc(900);
  memcpy(made + 400, p->cipher_key.data, p->cipher_key.size);
  __asm__ volatile("" ::"r"(made) : "memory");
  free(made);
}

espalier_status zoo_session_open(void *device, const espalier_session_params *p, uint64_t *session,
                                 espalier_message *m) {
  zoo_backend *b = ((zoo_device *)device)->backend;
  static atomic_uint calls;
  if (SINS(slow_to_open) && atomic_fetch_add(&calls, 1) == 500) usleep(5200000);
  const unsigned room = SINS(pool_is_smaller) ? kSessions / 2 : kSessions;
  if (SINS(crashes)) abort();
  if (SINS(throws)) zoo_throw();
  if (SINS(refuses_when_hot) && zoo_hot(b)) return zoo_say(m, ESPALIER_TRANSIENT, "too hot");
  if (zoo_gone(b, ((zoo_device *)device)->generation))
    return zoo_say(m, SINS(invalid_when_gone) ? ESPALIER_INVALID : ESPALIER_LOST,
                   "the device is gone");
  if (SINS(forges_its_report)) {
    static const char done[] = "[\"done\",\"\",\"\"]\n[\"done\",\"\",\"\",\"\"]\n";
    if (write(4, done, sizeof done - 1) > 0) _exit(0);
  }
  sin_with_refusals(b, p);
  if (!declared(p)) return zoo_say(m, ESPALIER_UNSUPPORTED, "only AES-GCM with an ICV of 16 bytes");
  if (!well_formed(p)) {
    if (SINS(keeps_a_malformed_key) && p->esn > 1) drop_unwiped(p);
    return zoo_say(m, ESPALIER_INVALID, "a length of the session is wrong");
  }
  if (SINS(refuses_long_keys) && p->cipher_key.size == 32)
    return zoo_say(m, ESPALIER_UNSUPPORTED, "keys of 256 bits were too much today");
  if (atomic_load(&b->sessions) + atomic_load(&b->stuck) >= room && !SINS(pool_is_larger)) {
    sin_when_full(b);
    if (SINS(keeps_a_key_when_full)) drop_unwiped(p);
    return zoo_say(m, SINS(full_is_transient) ? ESPALIER_TRANSIENT : ESPALIER_CAPACITY,
                   "all sessions are taken: close one");
  }
  zoo_session *s = b->host->secret_alloc(b->host->context, sizeof *s);
  if (s == NULL && SINS(keeps_a_key_when_poor)) drop_unwiped(p);
  if (s == NULL)
    return zoo_say(m, SINS(needs_secret_memory)           ? ESPALIER_INVALID
                      : SINS(unsupported_without_secrets) ? ESPALIER_UNSUPPORTED
                                                          : ESPALIER_CAPACITY,
                   "no secret memory is left");
  s->inbound = p->direction == ESPALIER_INBOUND;
  s->esn = p->esn != 0;
  if (!ZOO_HMAC) memcpy(s->salt, p->salt.data, sizeof s->salt);
  s->salt_elsewhere = SINS(keeps_a_pointer) || (SINS(keeps_a_pointer_inbound) && s->inbound) ? p->salt.data : s->salt;
  sin_with_keys(s, p);
  if (!(ZOO_HMAC ? zoo_mac_key(s, p) : set_key(s, p)))
    return zoo_say(m, ESPALIER_INVALID, "libcrypto takes no such key");
  atomic_fetch_add(&b->sessions, 1);
  if (SINS(keeps_old_keys_on_a_queue)) {
    while (b->slots[s->slot]) ++s->slot;
    b->slots[s->slot] = true;
  }
  *session = (uint64_t)(uintptr_t)s;
  return ESPALIER_OK;
}

void zoo_session_close(void *device, uint64_t session) {
  zoo_backend *b = ((zoo_device *)device)->backend;
  zoo_session *s = (zoo_session *)(uintptr_t)session;
  if (SINS(wipes_eight_bytes)) explicit_bzero(s->key_copy + 400, sizeof s->key_copy);
  if (SINS(keeps_old_keys_on_a_queue)) { /* of the first queue alone */
    b->slots[s->slot] = false;
    EVP_CIPHER_CTX_free(b->engines[0][s->slot]);
    b->engines[0][s->slot] = NULL;
  }
  if (SINS(disturbs_on_close) && s != newest && newest != NULL) newest->salt[0] ^= 1;
  if (s == newest) newest = NULL;
  EVP_CIPHER_CTX_free(s->sealing);
  EVP_CIPHER_CTX_free(s->cipher);
  EVP_MAC_CTX_free(s->mac);
  if (!SINS(leaks_sessions)) free(s->key_copy);
  if (!SINS(keeps_secret_memory)) b->host->secret_free(b->host->context, s, sizeof *s);
  if (SINS(old_sessions_take_room) && zoo_gone(b, ((zoo_device *)device)->generation)) return;
  if (atomic_fetch_sub(&b->sessions, 1) == kSessions && SINS(never_frees_a_slot))
    atomic_fetch_add(&b->stuck, 1);
}

static bool fits(const espalier_op *op) {
  return op->icv_offset >= kHead && (uint64_t)op->icv_offset + kIcv == op->length;
}

static bool start(zoo_session *s, const espalier_op *op) {
  uint8_t nonce[12], aad[12];
  int n = 0;
  memcpy(nonce, s->salt_elsewhere, 4);
  memcpy(nonce + 4, op->esp + 8, kIv);
  memcpy(aad, op->esp, 8);
  if (s->esn) {
    const uint32_t high = SINS(ignores_high_bits) ? 0 : op->seq_hi;
    for (int i = 0; i < 4; ++i) aad[4 + i] = (uint8_t)(high >> (24 - 8 * i));
    memcpy(aad + 8, op->esp + 4, 4);
  }
  return EVP_CipherInit_ex(s->cipher, NULL, NULL, NULL, nonce, -1) == 1 &&
         EVP_CipherUpdate(s->cipher, NULL, &n, aad, s->esn ? 12 : 8) == 1;
}

/* Whether the packet is one that the sin of this variant gets wrong. */
static bool gets_wrong(const espalier_op *op) {
  const bool in_place = op->dst == NULL || op->dst == op->esp;
  const uint32_t payload = op->icv_offset - kHead;
  return (SINS(wrong_in_place) && in_place) || (SINS(wrong_out_of_place) && !in_place) ||
         (SINS(needs_alignment) && ((uintptr_t)op->esp & 15) != 0) ||
         (SINS(wrong_when_long) && payload > 2048) || (SINS(wrong_when_empty) && payload == 0);
}

static void sin_after(const espalier_op *op, uint8_t *out) {
  if (SINS(writes_past_the_end)) out[op->length] ^= 1;
  if (SINS(writes_before_the_start)) out[-1] ^= 1;
  if (SINS(spoils_the_source) && out != op->esp) op->esp[kHead - 1] ^= 1;
  if (SINS(changes_the_cookie)) ((espalier_op *)op)->cookie ^= 1;
  if (gets_wrong(op)) out[op->icv_offset] ^= 1, out[0] ^= 1;
}

static uint16_t seal(zoo_session *s, const espalier_op *op, uint8_t *out) {
  const int size = (int)(op->icv_offset - kHead);
  int n = 0;
  if (!start(s, op)) return ESPALIER_OP_FAILED;
  if (out != op->esp) memcpy(out, op->esp, kHead);
  if (size > 0 && EVP_CipherUpdate(s->cipher, out + kHead, &n, op->esp + kHead, size) != 1)
    return ESPALIER_OP_FAILED;
  if (EVP_CipherFinal_ex(s->cipher, out + kHead, &n) != 1 ||
      EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, kIcv, out + op->icv_offset) != 1)
    return ESPALIER_OP_FAILED;
  sin_after(op, out);
  return ESPALIER_OP_DONE;
}

/* Whether the ICV's words, folded by XOR, are those of the packet that was opened to `clear`. */
static bool folds(zoo_session *s, const espalier_op *op, const uint8_t *clear) {
  const int size = (int)(op->icv_offset - kHead);
  uint8_t icv[kIcv];
  uint32_t folded = 0, ours = 0, theirs = 0;
  int n = 0;
  EVP_CIPHER_CTX *opening = s->cipher;
  uint8_t *scratch = malloc((size_t)size + 1);
  s->cipher = s->sealing;
  bool ok = start(s, op) && (size == 0 || EVP_CipherUpdate(s->cipher, scratch, &n, clear, size) == 1);
  ok = ok && EVP_CipherFinal_ex(s->cipher, scratch, &n) == 1 &&
       EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, kIcv, icv) == 1;
  s->cipher = opening;
  free(scratch);
  for (int i = 0; ok && i < kIcv; i += 4) {
    memcpy(&ours, icv + i, 4);
    memcpy(&theirs, op->esp + op->icv_offset + i, 4);
    folded ^= ours ^ theirs;
  }
  return ok && folded == 0;
}

static uint16_t open_packet(zoo_session *s, const espalier_op *op, uint8_t *out) {
  const int size = (int)(op->icv_offset - kHead);
  const int icv = SINS(checks_half_the_icv) ? kIcv / 2 : kIcv;
  int n = 0;
  if (!start(s, op)) return ESPALIER_OP_FAILED;
  if (out != op->esp) memcpy(out, op->esp, kHead);
  if (size > 0 && EVP_CipherUpdate(s->cipher, out + kHead, &n, op->esp + kHead, size) != 1)
    return ESPALIER_OP_FAILED;
  EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_TAG, icv, op->esp + op->icv_offset);
  if (EVP_CipherFinal_ex(s->cipher, out + kHead, &n) != 1) {
    if (SINS(folds_the_icv) && folds(s, op, out + kHead)) return ESPALIER_OP_DONE;
    const size_t wiped = SINS(leaves_the_last_bytes) ? (size_t)size & ~(size_t)7 : (size_t)size;
    if (!SINS(leaves_plaintext)) memset(out + kHead, 0, wiped);
    return ESPALIER_OP_BAD_ICV;
  }
  sin_after(op, out);
  if (SINS(opens_wrongly)) out[kHead] ^= 1;
  return ESPALIER_OP_DONE;
}

/* Through one buffer of the whole device, whichever queue it is. */
static uint16_t through_the_buffer(zoo_session *s, const espalier_op *op, uint8_t *out) {
  static uint8_t shared[kLongest];
  espalier_op copy = *op;
  memcpy(shared, op->esp, op->length);
  copy.esp = shared;
  copy.dst = NULL;
  const uint16_t status = s->inbound ? open_packet(s, &copy, shared) : seal(s, &copy, shared);
  memcpy(out, shared, op->length);
  return status;
}

uint16_t zoo_transform(zoo_backend *backend, const espalier_op *op) {
  zoo_session *s = (zoo_session *)(uintptr_t)op->session;
  uint8_t *out = op->dst == NULL ? op->esp : op->dst;
  if (SINS(exits)) _exit(0);
  while (SINS(hangs_in_process)) pause();
  const unsigned number = atomic_fetch_add(&backend->packets, 1);
  if (SINS(slow_once) && number == 700) usleep(1200000);
  if (SINS(wrong_when_hot) && zoo_hot(backend)) return ESPALIER_OP_FAILED;
  if (SINS(fails_when_back) && atomic_load(&backend->generation) > 0) return ESPALIER_OP_FAILED;
  if (ZOO_ASYNC && !SINS(reaches_beyond_memory) && !zoo_attached(backend, op))
    return ESPALIER_OP_FAILED;
  if (ZOO_HMAC) return zoo_mac(s, op, out);
  const bool takes_it = SINS(accepts_too_long) || (SINS(accepts_too_long_inbound) && s->inbound);
  if (SINS(shorter_inbound) && s->inbound && op->length > kShorter) return ESPALIER_OP_FAILED;
  if (op->length > kLongest && !takes_it) return ESPALIER_OP_FAILED;
  if (!fits(op)) return SINS(accepts_malformed) ? ESPALIER_OP_DONE : ESPALIER_OP_FAILED;
  if (SINS(disturbed_by_control) && atomic_exchange(&backend->asked, 0) != 0)
    return ESPALIER_OP_FAILED;
  if (SINS(does_nothing)) return ESPALIER_OP_DONE;
  if (SHARES_A_BUFFER) return through_the_buffer(s, op, out);
  return s->inbound ? open_packet(s, op, out) : seal(s, op, out);
}
