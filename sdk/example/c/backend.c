/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend in plain C11: a synchronous device that does NULL encryption with HMAC-SHA-256-128 (RFC
 * 2410, RFC 4868) through OpenSSL. What the C++ layer does for others is done by hand here: sizes
 * of structs, words of a refusal, and that everything that was made is freed.
 */
#include <espalier/abi.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { kDevice = 1, kHeader = 8, kIcv = 16, kDigest = 32, kLongestKey = 1024 };

/* ---- Words and lists ---------------------------------------------------------------------------
 */

static espalier_status refuse(espalier_message* message, espalier_status status, const char* why) {
  if (message != NULL && message->text != NULL && message->capacity != 0) {
    size_t n = strlen(why);
    if (n >= message->capacity) n = (size_t)message->capacity - 1;
    memcpy(message->text, why, n);
    message->text[n] = '\0';
  }
  return status;
}

/* Into the host's struct, which may be of another minor version: no byte beyond its struct_size,
 * and that stays as it is. Every struct begins with it. */
static void give(void* to, const void* value, uint32_t size) {
  uint32_t host_size;
  memcpy(&host_size, to, sizeof host_size);
  if (host_size < size) size = host_size;
  if (size > sizeof host_size)
    memcpy((char*)to + sizeof host_size, (const char*)value + sizeof host_size,
           size - sizeof host_size);
}

/* ---- Sessions ----------------------------------------------------------------------------------
 */

typedef struct session {
  EVP_MAC_CTX* keyed; /* never run itself: a packet starts from a copy of it */
  int inbound, esn;
} session;

static EVP_MAC_CTX* keyed_hmac(espalier_bytes key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  EVP_MAC* const hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(hmac);
  EVP_MAC_free(hmac);
  if (context != NULL && EVP_MAC_init(context, key.data, (size_t)key.size, parameters) == 1)
    return context;
  EVP_MAC_CTX_free(context);
  return NULL;
}

static espalier_status session_open(void* device, const espalier_session_params* p,
                                    uint64_t* handle, espalier_message* message) {
  session* made;
  (void)device;
  if (p->cipher != ESPALIER_CIPHER_NULL || p->integrity != ESPALIER_INTEGRITY_HMAC_SHA256)
    return refuse(message, ESPALIER_UNSUPPORTED,
                  "session refused: this device does NULL with HMAC-SHA256 only");
  if (p->cipher_key.size != 0 || p->salt.size != 0 || p->integrity_key.size == 0 ||
      p->integrity_key.size > kLongestKey || p->icv_bytes != kIcv || p->esn > 1 ||
      (p->direction != ESPALIER_OUTBOUND && p->direction != ESPALIER_INBOUND))
    return refuse(message, ESPALIER_INVALID,
                  "session refused: it needs no cipher key and no salt, an HMAC key of 1 to 1024 "
                  "bytes, an ICV of 16, esn 0 or 1, and a direction");
  made = malloc(sizeof *made);
  if (made == NULL) return refuse(message, ESPALIER_TRANSIENT, "session refused: out of memory");
  made->keyed = keyed_hmac(p->integrity_key);
  made->inbound = p->direction == ESPALIER_INBOUND;
  made->esn = p->esn == 1;
  if (made->keyed == NULL) {
    free(made);
    return refuse(message, ESPALIER_UNSUPPORTED,
                  "session refused: this OpenSSL has no HMAC-SHA256");
  }
  *handle = (uint64_t)(uintptr_t)made;
  return ESPALIER_OK;
}

static void session_close(void* device, uint64_t handle) {
  session* const closed = (session*)(uintptr_t)handle;
  (void)device;
  EVP_MAC_CTX_free(closed->keyed); /* OpenSSL wipes the key */
  free(closed);
}

/* ---- Packets -----------------------------------------------------------------------------------
 */

/* Over header and payload, and with ESN the high sequence bits (RFC 4303 2.2.1). */
static int compute_icv(const session* s, const espalier_op* op, uint8_t digest[kDigest]) {
  const uint8_t high[4] = {(uint8_t)(op->seq_hi >> 24), (uint8_t)(op->seq_hi >> 16),
                           (uint8_t)(op->seq_hi >> 8), (uint8_t)op->seq_hi};
  EVP_MAC_CTX* const run = EVP_MAC_CTX_dup(s->keyed);
  size_t size = 0;
  const int done = run != NULL && EVP_MAC_update(run, op->esp, op->icv_offset) == 1 &&
                   (!s->esn || EVP_MAC_update(run, high, sizeof high) == 1) &&
                   EVP_MAC_final(run, digest, &size, kDigest) == 1 && size == kDigest;
  EVP_MAC_CTX_free(run);
  return done;
}

static uint16_t run(const espalier_op* op) {
  const session* const s = (const session*)(uintptr_t)op->session;
  uint8_t* const to = op->dst == NULL ? op->esp : op->dst;
  uint8_t digest[kDigest];
  if (s == NULL || op->icv_offset < kHeader || op->length != (uint64_t)op->icv_offset + kIcv)
    return ESPALIER_OP_FAILED; /* no packet of this session: nothing is touched */
  if (!compute_icv(s, op, digest)) return ESPALIER_OP_FAILED;
  if (s->inbound && CRYPTO_memcmp(digest, op->esp + op->icv_offset, kIcv) != 0) {
    /* With the NULL cipher what came in is plaintext already: it must not stay. */
    if (to == op->esp) OPENSSL_cleanse(to + kHeader, op->icv_offset - kHeader);
    return ESPALIER_OP_BAD_ICV;
  }
  if (to != op->esp) memcpy(to, op->esp, op->icv_offset);
  if (!s->inbound) memcpy(to + op->icv_offset, digest, kIcv);
  return ESPALIER_OP_DONE;
}

static espalier_status process(void* queue, espalier_op* const* ops, uint32_t n) {
  uint32_t i;
  (void)queue;
  for (i = 0; i < n; ++i) ops[i]->status = run(ops[i]);
  return ESPALIER_OK;
}

/* ---- Device and queue: nothing of them needs to be kept, but a handle must not be NULL
 * ----------- */

static char handle_of_all;

static espalier_status device_open(void* self, uint64_t id, void** device,
                                   espalier_message* message) {
  (void)self;
  if (id != kDevice) return refuse(message, ESPALIER_INVALID, "there is one device, with id 1");
  *device = &handle_of_all;
  return ESPALIER_OK;
}

static void device_close(void* device) { (void)device; }

static espalier_status queue_open(void* device, void** queue, espalier_message* message) {
  (void)device;
  (void)message;
  *queue = &handle_of_all;
  return ESPALIER_OK;
}

static void queue_close(void* queue) { (void)queue; }

/* ---- The backend -------------------------------------------------------------------------------
 */

static espalier_status enumerate(void* self, espalier_device_info* devices, uint32_t capacity,
                                 uint32_t* count, espalier_message* message) {
  const espalier_device_info device = {.dataplane = ESPALIER_USERSPACE,
                                       .id = kDevice,
                                       .numa_node = -1,
                                       .name = "cpu",
                                       .description = "NULL with HMAC-SHA256, in plain C"};
  (void)self;
  (void)message;
  *count = 1;
  if (capacity != 0) give(devices, &device, sizeof device);
  return ESPALIER_OK;
}

static espalier_status caps(void* self, uint64_t device, espalier_capability* list,
                            uint32_t capacity, uint32_t* count, espalier_message* message) {
  const espalier_capability capability = {
      .cipher = ESPALIER_CIPHER_NULL,
      .integrity = ESPALIER_INTEGRITY_HMAC_SHA256,
      .key_bits = ESPALIER_KEY_ANY,
      .icv_bytes = ESPALIER_ICV(kIcv),
      .directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND,
      .modes = ESPALIER_TUNNEL | ESPALIER_TRANSPORT,
      .encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP,
      .families = ESPALIER_IPV4 | ESPALIER_IPV6,
      .esn = 3,
      .score = 90};
  (void)self;
  (void)device;
  (void)message;
  *count = 1;
  if (capacity != 0) give(list, &capability, sizeof capability);
  return ESPALIER_OK;
}

static espalier_status pools(void* self, uint64_t device, espalier_pool* list, uint32_t capacity,
                             uint32_t* count, espalier_message* message) {
  (void)self;
  (void)device;
  (void)list;
  (void)capacity;
  (void)message;
  *count = 0; /* no limits */
  return ESPALIER_OK;
}

static espalier_status health(void* self, uint64_t device, espalier_health* now) {
  const espalier_health up = {.state = ESPALIER_UP};
  (void)self;
  (void)device;
  give(now, &up, sizeof up);
  return ESPALIER_OK;
}

static void close_backend(void* self) { (void)self; }

static const espalier_userspace kUserspace = {.struct_size = sizeof(espalier_userspace),
                                              .device_open = device_open,
                                              .device_close = device_close,
                                              .session_open = session_open,
                                              .session_close = session_close,
                                              .queue_open = queue_open,
                                              .queue_close = queue_close,
                                              .process = process};

static const espalier_backend kBackend = {.struct_size = sizeof(espalier_backend),
                                          .close = close_backend,
                                          .enumerate = enumerate,
                                          .caps = caps,
                                          .pools = pools,
                                          .health = health,
                                          .userspace = &kUserspace};

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  (void)host;
  if (strcmp(options, "{}") != 0)
    return refuse(message, ESPALIER_INVALID, "the example-c backend has no options");
  *backend = &kBackend;
  return ESPALIER_OK;
}

#ifndef ESPALIER_PLUGIN_NAME
#define ESPALIER_PLUGIN_NAME espalier_plugin
#endif

__attribute__((visibility("default"))) const espalier_plugin_entry ESPALIER_PLUGIN_NAME = {
    ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR, negotiate};
