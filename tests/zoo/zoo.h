/* SPDX-License-Identifier: Apache-2.0
 *
 * One small correct backend, and the promises that its variants break: each is built from the same
 * sources with ZOO_SIN set to one of these. What conform must say of each is in CMakeLists.txt.
 */
#ifndef ESPALIER_TESTS_ZOO_H
#define ESPALIER_TESTS_ZOO_H

#include <espalier/abi.h>

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum zoo_sin {
  no_sin,
  /* the file and its tables */
  bad_magic, small_table, no_session_open,
  /* manners */
  crashes, exits, hangs_in_enumerate, hangs_in_process, throws, prints, handles_signals,
  changes_locale, changes_fpu, changes_umask, changes_environment, leaves_a_thread,
  leaves_a_descriptor,
  /* words */
  speaks_nonsense, overfills_lists, ignores_the_stride, changes_its_mind, answers_for_nobody,
  feels_down, not_as_on_the_sheet,
  /* sessions and pools */
  does_not_open, refuses_long_keys, accepts_undeclared, accepts_short_keys, says_nothing,
  overruns_the_message, keeps_a_pointer, pool_is_smaller, full_is_transient, pool_is_larger,
  never_frees_a_slot, pool_looks_empty, leaks_sessions, keeps_secret_memory, needs_secret_memory,
  fewer_queues,
  /* packets */
  does_nothing, opens_wrongly, wrong_in_place, wrong_out_of_place, spoils_the_source, needs_alignment,
  ignores_high_bits, checks_half_the_icv, leaves_plaintext, writes_past_the_end,
  writes_before_the_start, changes_the_cookie, wrong_when_long, wrong_when_empty,
  accepts_too_long, accepts_malformed, mixes_sessions,
  /* queues */
  leaves_pending, invents_a_status, refuses_no_packets, forgets_after_256, ghost_completion,
  claims_more, touches_the_rest, stuck_when_full, completes_twice, completes_foreign,
  loses_when_full, waits_for_company, one_queue_at_a_time, disturbed_by_control, counts_without_a_lock,
  shares_a_buffer, shares_a_buffer_async,
  /* life and memory */
  quiesces_in_words, never_gone, dies_when_gone, opens_once, starts_once, leaks_devices, keeps_keys, frees_keys_unwiped,
  attaches_once,
  /* recipes */
  claims_after_256, claims_when_deep, folds_the_icv, disturbs_on_close, frees_half_a_key,
  wipes_eight_bytes, keeps_the_ghash_key, leaks_on_refusal, loses_a_slot_on_refusal, changes_the_op,
  keeps_a_pointer_inbound, accepts_too_long_inbound, writes_when_gone, invalid_when_gone,
  quiesces_late, leaves_the_last_bytes, forges_its_report,
  keeps_a_malformed_key, keeps_a_key_when_full, keeps_a_key_when_poor,
  keeps_an_md5_state, keeps_a_sha1_state, keeps_a_sha256_state, keeps_a_sha384_state,
  keeps_a_sha512_state, keeps_the_ghash_key_doubled,
  leaks_when_full, count_drifts, loses_a_slot_at_last,
  opens_when_gone, gone_for_a_moment, claims_when_gone, says_ok_when_gone, twice_when_gone,
  fails_when_back, drops_when_back, back_under_its_id, revives_old_sessions,
  old_sessions_take_room, hot_in_silence, wrong_when_hot, refuses_when_hot,
  crashes_at_exit, hangs_at_exit, crashes_in_close, slow_to_open, slow_once, changes_x87,
  sets_the_direction_flag, blocks_signals, changes_directory, prints_an_error, leaves_a_child,
  changes_the_threads_locale,
  random_recipe, recipe_for_nothing, recipe_for_anything, recipe_for_one_thread,
  goes_by_the_first_direction, bounces_in_256_buffers, keeps_old_keys_on_a_queue, polls_without_end,
  any_replay_window, pool_is_immense, keeps_a_key_on_the_stack, folds_an_icv_of_32,
  accepts_long_keys, accepts_long_salts, refusal_frees_anothers, unsupported_without_secrets,
  pools_for_anybody, up_for_anybody, opens_for_anybody, recipe_for_any_device, never_detaches, swaps_cookies,
  reaches_beyond_memory, detaches_in_words, takes_its_time, writes_late,
  writes_what_it_gave_back,
  /* no sins: correct devices of other shapes, and those that are not there */
  short_replay_window, shorter_inbound, longest_1500, one_queue, one_session, inbound_only, one_process, no_device, gone_device
};

#ifndef ZOO_SIN
#define ZOO_SIN no_sin
#endif
#ifndef ZOO_ASYNC /* also needs DMA */
#define ZOO_ASYNC 0
#endif
#ifndef ZOO_HMAC /* NULL encryption with each HMAC, in the place of AES-GCM */
#define ZOO_HMAC 0
#endif
#ifndef ZOO_KERNEL
#define ZOO_KERNEL 0
#endif
#define SHARES_A_BUFFER (SINS(shares_a_buffer) || SINS(shares_a_buffer_async))
#define SINS(sin) (ZOO_SIN == (sin))

enum {
  kSessions = SINS(one_session) ? 1 : 16,
  kQueues = SINS(one_queue) ? 1 : 4,
  kDepth = SINS(claims_when_deep) || SINS(bounces_in_256_buffers) ? 1024 : 64,
  kLongest = SINS(not_as_on_the_sheet) ? 16368 : SINS(longest_1500) ? 1500 : 16384,
  kDirections = SINS(inbound_only) ? ESPALIER_INBOUND : ESPALIER_OUTBOUND | ESPALIER_INBOUND
};
enum { kShorter = 1500, kEngines = 8, kMappings = 64, kBounce = 512 };
enum { kIv = 8, kHead = 16, kIcv = 16 };

/* An HMAC of ESP. `icv` bytes of it are sent. */
typedef struct zoo_hash {
  uint16_t integrity;
  uint16_t key, icv;
  const char *digest;
} zoo_hash;
enum { kHashes = 5 };
extern const zoo_hash zoo_hashes[kHashes];

typedef struct zoo_session {
  EVP_CIPHER_CTX *cipher, *sealing; /* the other only to fold the ICV */
  EVP_MAC_CTX *mac;
  const zoo_hash *hash;
  bool inbound, esn;
  uint8_t salt[4];
  const uint8_t *salt_elsewhere;
  uint8_t *key_copy;
  unsigned slot;
} zoo_session;

/* Packet memory that is attached. Its address is its IOVA. */
typedef struct zoo_region {
  uintptr_t base;
  uint64_t size;
} zoo_region;

typedef struct zoo_backend {
  espalier_backend table;
  const espalier_host *host;
  atomic_uint sessions, stuck, queues, opened, attached;
  atomic_uint asked;  /* calls of health() since the last packet */
  atomic_uintptr_t busy_queue;
  uint64_t packets_in_all;
  atomic_int packets_left; /* until the device goes away; -1: for ever */
  atomic_uint generation;  /* how often it has come back: a device of its own each time */
  atomic_uint packets, times_full, times_gone;
  atomic_ullong gone_ns;
  atomic_bool coming_back;
  bool comes_back, gets_hot;
  unsigned mood;
  bool slots[kSessions];
  EVP_CIPHER_CTX *engines[kEngines][kSessions]; /* what each queue keeps of the session in a slot */
  atomic_uint engines_used;                     /* one bit each */
  int lock; /* while it is open, against other processes */
  pthread_mutex_t regions_lock;
  zoo_region regions[kMappings];
} zoo_backend;

/* What was opened. It is dead once its generation is over. */
typedef struct zoo_device {
  zoo_backend *backend;
  unsigned generation;
} zoo_device;

typedef struct zoo_queue {
  zoo_backend *backend;
  unsigned generation;
  pthread_t worker;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  espalier_op *todo[kDepth], *done[kDepth + 1], *last; /* the last one that was done */
  espalier_op *late; /* to be written to when it is too late */
  unsigned todo_count, done_count, working, depth;
  bool stop, was_full, used;
  bool polled; /* since there was nothing to do: only then is there work for one with bounce buffers */
  unsigned engine;
  uint8_t next_bounce, bounce_of[kDepth], (*bounces)[kBounce];
} zoo_queue;

bool zoo_attached(zoo_backend *backend, const espalier_op *op);
bool zoo_gone(zoo_backend *backend, unsigned generation);
static inline bool zoo_hot(zoo_backend *backend) {
  return backend->gets_hot && atomic_load(&backend->packets) >= 50;
}

void zoo_throw(void);
uint16_t zoo_transform(zoo_backend *backend, const espalier_op *op);
/* Of hmac.c: the same for NULL encryption with HMAC. */
const zoo_hash *zoo_hash_of(const espalier_session_params *p);
bool zoo_mac_key(zoo_session *s, const espalier_session_params *p);
uint16_t zoo_mac(zoo_session *s, const espalier_op *op, uint8_t *out);
extern const espalier_userspace zoo_userspace;
espalier_status zoo_session_open(void *device, const espalier_session_params *params,
                                 uint64_t *session, espalier_message *message);
void zoo_session_close(void *device, uint64_t session);
espalier_status zoo_queue_open(void *device, void **queue, espalier_message *message);
void zoo_queue_close(void *queue);
espalier_status zoo_process(void *queue, espalier_op *const *ops, uint32_t n);
uint32_t zoo_submit(void *queue, espalier_op *const *ops, uint32_t n);
uint32_t zoo_poll(void *queue, espalier_op **ops, uint32_t n);
espalier_status zoo_quiesce(void *queue, uint64_t deadline_ns);

static inline espalier_status zoo_say(espalier_message *message, espalier_status status,
                                      const char *words) {
  uint64_t n = 0;
  if (SINS(says_nothing)) words = "";
  if (message->capacity == 0) return status;
  for (; words[n] != 0 && (n + 1 < message->capacity || SINS(overruns_the_message)); ++n)
    message->text[n] = words[n];
  message->text[n] = 0;
  return status;
}

#endif
