/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

__attribute__((section(ESPALIER_MANIFEST_SECTION), used)) static const char manifest[] =
    "abi=1.0\nname=zoo\nvendor=Zoo\nversion=1.0\ncpu=\n";

#if ZOO_SECOND_SYMBOL
__attribute__((visibility("default"))) int zoo_helper_that_should_be_hidden = 1;
#endif

static const uint64_t kDevice = 7; /* and 8 when it has come back, and so on */

static uint64_t id_of(zoo_backend *b) {
  return kDevice + (SINS(back_under_its_id) ? 0 : atomic_load(&b->generation));
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool zoo_gone(zoo_backend *b, unsigned generation) {
  if (b->comes_back && atomic_load(&b->packets_left) == 0) {
    unsigned long long unset = 0;
    atomic_compare_exchange_strong(&b->gone_ns, &unset, now_ns());
    if (now_ns() > atomic_load(&b->gone_ns) + 50000000 && !atomic_exchange(&b->coming_back, true)) {
      atomic_fetch_add(&b->generation, 1);
      atomic_store(&b->packets_left, -1);
    }
  }
  const bool over = generation != atomic_load(&b->generation) && !SINS(revives_old_sessions);
  return over || atomic_load(&b->packets_left) == 0;
}

/* The i-th struct of a list whose stride the host has set. */
static void *entry(void *list, uint32_t i) {
  uint32_t stride = 0;
  memcpy(&stride, list, sizeof stride);
  return (uint8_t *)list + (size_t)i * stride;
}

static espalier_status enumerate(void *self, espalier_device_info *devices, uint32_t capacity,
                                 uint32_t *count, espalier_message *message) {
  zoo_backend *b = self;
  (void)message;
  zoo_gone(b, 0);
  while (SINS(hangs_in_enumerate)) pause();
  *count = SINS(no_device) ? 0 : 1;
  if (capacity == 0 || *count == 0) return ESPALIER_OK;
  devices->dataplane = ZOO_KERNEL ? ESPALIER_KERNEL : ESPALIER_USERSPACE;
  devices->id = id_of(b);
  devices->flags = ZOO_ASYNC ? ESPALIER_DEVICE_ASYNC | ESPALIER_DEVICE_NEEDS_DMA : 0;
  devices->numa_node = -1;
  strcpy(devices->name, "zoo");
  strcpy(devices->description, "a device of a test");
  strcpy(devices->interface, ZOO_KERNEL ? "zoo0" : "");
  return ESPALIER_OK;
}

static espalier_status caps(void *self, uint64_t device, espalier_capability *list,
                            uint32_t capacity, uint32_t *count, espalier_message *message) {
  zoo_backend *b = self;
  if (device != id_of(b) && !SINS(answers_for_nobody))
    return zoo_say(message, ESPALIER_INVALID, "there is no such device");
  *count = ZOO_HMAC ? kHashes : SINS(shorter_inbound) ? 2 : 1;
  for (uint32_t i = 0; i < *count && i < capacity; ++i) {
    espalier_capability *cap = entry(list, i);
    cap->cipher = ZOO_HMAC ? ESPALIER_CIPHER_NULL : ESPALIER_CIPHER_AES_GCM;
    cap->integrity = ZOO_HMAC ? zoo_hashes[i].integrity : ESPALIER_INTEGRITY_NONE;
    cap->key_bits = ZOO_HMAC ? ESPALIER_KEY_ANY : ESPALIER_KEY_128 | ESPALIER_KEY_256;
    cap->icv_bytes = ESPALIER_ICV(ZOO_HMAC ? zoo_hashes[i].icv : kIcv);
    cap->directions = kDirections;
    cap->modes = ESPALIER_TUNNEL;
    cap->encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
    cap->families = ESPALIER_IPV4 | ESPALIER_IPV6;
    cap->esn = SINS(speaks_nonsense) ? 8 : 3;
    cap->max_length = kLongest;
    if (SINS(short_replay_window) || SINS(any_replay_window)) cap->max_replay_window = 32;
    if (SINS(shorter_inbound)) cap->directions = i == 0 ? ESPALIER_OUTBOUND : ESPALIER_INBOUND;
    if (SINS(shorter_inbound) && i == 1) cap->max_length = kShorter;
    cap->score = 90 + (SINS(changes_its_mind) ? b->mood++ % 7 : 0);
  }
  return ESPALIER_OK;
}

static espalier_status pools(void *self, uint64_t device, espalier_pool *list, uint32_t capacity,
                             uint32_t *count, espalier_message *message) {
  zoo_backend *b = self;
  if (device != id_of(b) && !SINS(pools_for_anybody))
    return zoo_say(message, ESPALIER_INVALID, "there is no such device");
  *count = 2;
  for (uint32_t i = 0; i < 2 && (i < capacity || (SINS(overfills_lists) && capacity > 0)); ++i) {
    espalier_pool *pool = SINS(ignores_the_stride) ? &list[i] : entry(list, i);
    pool->kind = i == 0 ? ESPALIER_POOL_SAS : ESPALIER_POOL_QUEUES;
    pool->directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
    pool->use = i == 0 ? ESPALIER_USE_LIVE : ESPALIER_USE_COUNTED;
    pool->capacity = i == 1 ? kQueues : SINS(pool_is_immense) ? 1U << 18 : kSessions;
    pool->used = i == 0 && !SINS(pool_looks_empty) ? atomic_load(&b->sessions) : 0;
    if (i == 0 && SINS(count_drifts)) pool->used += atomic_load(&b->times_full) / 4;
    if (pool->used > pool->capacity) pool->used = pool->capacity;
    strcpy(pool->name, i == 0 ? "sessions" : "queues");
  }
  return ESPALIER_OK;
}

static espalier_status health(void *self, uint64_t device, espalier_health *said) {
  zoo_backend *b = self;
  if (SINS(disturbed_by_control) && atomic_load(&b->busy_queue) != 0)
    atomic_fetch_add(&b->asked, 1);
  bool gone = device != id_of(b) || SINS(gone_device) ||
              (zoo_gone(b, (unsigned)(device - kDevice)) && !SINS(never_gone));
  if (SINS(up_for_anybody) && device > kDevice + 1000) gone = false;
  const unsigned asked = gone ? atomic_fetch_add(&b->times_gone, 1) : 0;
  /* By the number of calls: where it comes back, how many there are before depends on time. */
  if (SINS(gone_for_a_moment) && !b->comes_back && asked > 1 && asked < 5) gone = false;
  said->state = gone               ? ESPALIER_GONE
                : zoo_hot(b)       ? ESPALIER_DEGRADED
                : SINS(feels_down) ? ESPALIER_DOWN
                                   : ESPALIER_UP;
  strcpy(said->reason, zoo_hot(b) && !SINS(hot_in_silence) ? "it is hot" : "");
  return ESPALIER_OK;
}

static void *linger(void *nothing) {
  for (;;) pause();
  return nothing;
}

__attribute__((destructor)) static void at_exit(void) {
  if (SINS(crashes_at_exit)) abort();
  while (SINS(hangs_at_exit)) pause();
}

static void sin_with_manners(void) {
  static pthread_t lingering;
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  if (SINS(prints_an_error)) fputs("zoo: opened\n", stderr);
  if (SINS(blocks_signals)) pthread_sigmask(SIG_BLOCK, &mask, NULL);
  if (SINS(changes_the_threads_locale)) uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
  if (SINS(changes_directory) && chdir("/") != 0) abort();
  if (SINS(leaves_a_child) && fork() == 0) {
    sleep(20);
    _exit(0);
  }
  if (SINS(prints)) puts("zoo: opened");
  if (SINS(handles_signals)) signal(SIGUSR1, SIG_IGN);
  if (SINS(changes_locale)) setlocale(LC_ALL, "C.UTF-8");
#if defined(__x86_64__)
  if (SINS(changes_fpu)) _mm_setcsr(_mm_getcsr() | 0x8040);
  const unsigned short single = 0x007f;
  if (SINS(changes_x87)) __asm__ volatile("fldcw %0" ::"m"(single));
#endif
  if (SINS(changes_umask)) umask(077);
  if (SINS(changes_environment)) setenv("ZOO", "was here", 1);
  if (SINS(leaves_a_thread)) pthread_create(&lingering, NULL, linger, NULL);
  if (SINS(leaves_a_descriptor) && open("/dev/null", O_RDONLY) < 0) abort();
}

static espalier_status device_open(void *self, uint64_t id, void **device,
                                   espalier_message *message) {
  zoo_backend *b = self;
  const bool known = id >= kDevice && id <= kDevice + atomic_load(&b->generation);
  if (!known && !SINS(opens_for_anybody))
    return zoo_say(message, ESPALIER_INVALID, "there is no such device");
  const unsigned generation = SINS(back_under_its_id) || !known ? atomic_load(&b->generation) : (unsigned)(id - kDevice);
  if (zoo_gone(b, generation) && !SINS(opens_when_gone))
    return zoo_say(message, ESPALIER_LOST, "the device is gone");
  if (SINS(does_not_open)) return zoo_say(message, ESPALIER_TRANSIENT, "not in the mood to open");
  if (atomic_fetch_add(&b->opened, 1) > 0 && SINS(opens_once))
    return zoo_say(message, ESPALIER_LOST, "it was opened once, which is enough");
  if (SINS(one_process)) {
    b->lock = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (flock(b->lock, LOCK_EX | LOCK_NB) != 0) {
      close(b->lock);
      return zoo_say(message, ESPALIER_TRANSIENT, "the card is in use by another process");
    }
  }
  sin_with_manners();
  zoo_device *opened = malloc(sizeof *opened);
  if (opened == NULL) return zoo_say(message, ESPALIER_CAPACITY, "no memory");
  opened->backend = b;
  opened->generation = generation;
  *device = opened;
  return ESPALIER_OK;
}

static void device_close(void *device) {
  static void *volatile leaked;
  if (SINS(never_detaches)) atomic_store(&((zoo_device *)device)->backend->attached, 0);
  if (SINS(leaks_devices)) leaked = malloc(4096);
  if (SINS(one_process)) close(((zoo_device *)device)->backend->lock);
  free(device);
  (void)leaked;
}

static bool replace_region(zoo_backend *b, zoo_region old, zoo_region new) {
  bool found = false;
  pthread_mutex_lock(&b->regions_lock);
  for (int i = 0; i < kMappings && !found; ++i) {
    found = b->regions[i].base == old.base && b->regions[i].size == old.size;
    if (found) b->regions[i] = new;
  }
  /* With none of them ever detached the table would soon be full, which is another sin. */
  if (!found && SINS(detaches_in_words)) b->regions[0] = new;
  pthread_mutex_unlock(&b->regions_lock);
  return found || SINS(detaches_in_words);
}

bool zoo_attached(zoo_backend *b, const espalier_op *op) {
  const bool in_place = op->dst == NULL;
  bool from = false, to = false;
  pthread_mutex_lock(&b->regions_lock);
  for (int i = 0; i < kMappings; ++i) {
    const zoo_region *r = &b->regions[i];
    const uint64_t offset = op->iova - r->base, dst_offset = op->dst_iova - r->base;
    from = from || (offset <= r->size && op->length <= r->size - offset);
    to = to || (dst_offset <= r->size && op->length <= r->size - dst_offset);
  }
  pthread_mutex_unlock(&b->regions_lock);
  return from && (in_place || to);
}

static espalier_status mem_attach(void *device, void *base, uint64_t size, uint64_t *iova,
                                  espalier_message *message) {
  zoo_backend *b = ((zoo_device *)device)->backend;
  if (atomic_fetch_add(&b->attached, 1) > 0 && SINS(attaches_once))
    return zoo_say(message, ESPALIER_CAPACITY, "memory was attached once, which is enough");
  if (SINS(never_detaches) && atomic_load(&b->attached) > kMappings)
    return zoo_say(message, ESPALIER_CAPACITY, "all mappings are taken: detach one");
  if (!replace_region(b, (zoo_region){0, 0}, (zoo_region){(uintptr_t)base, size}))
    return zoo_say(message, ESPALIER_CAPACITY, "all mappings are taken: detach one");
  *iova = (uint64_t)(uintptr_t)base;
  return ESPALIER_OK;
}

static void mem_detach(void *device, void *base, uint64_t size) {
  zoo_backend *b = ((zoo_device *)device)->backend;
  if (!SINS(detaches_in_words))
    replace_region(b, (zoo_region){(uintptr_t)base, size}, (zoo_region){0, 0});
}

const espalier_userspace zoo_userspace = {
    .struct_size = sizeof(espalier_userspace),
    .device_open = device_open,
    .device_close = device_close,
    .mem_attach = mem_attach,
    .mem_detach = mem_detach,
    .session_open = SINS(no_session_open) ? NULL : zoo_session_open,
    .session_close = zoo_session_close,
    .queue_open = zoo_queue_open,
    .queue_close = zoo_queue_close,
    .process = ZOO_ASYNC ? NULL : zoo_process,
    .submit = ZOO_ASYNC ? zoo_submit : NULL,
    .poll = ZOO_ASYNC ? zoo_poll : NULL,
    .queue_quiesce = ZOO_ASYNC ? zoo_quiesce : NULL,
};

static espalier_status recipe(void *self, uint64_t device, const espalier_sa *sa,
                              espalier_recipe *out, espalier_message *message) {
  zoo_backend *b = self;
  const bool long_window = SINS(short_replay_window) && sa->replay_window > 32;
  const bool declared = !long_window && sa->cipher == ESPALIER_CIPHER_AES_GCM && sa->icv_bytes == kIcv &&
                        sa->key_bits != 192 && sa->mode == ESPALIER_TUNNEL;
  if (device != kDevice && !SINS(recipe_for_any_device))
    return zoo_say(message, ESPALIER_INVALID, "there is no such device");
  if (!declared && !SINS(recipe_for_anything))
    return zoo_say(message, ESPALIER_UNSUPPORTED, "only AES-GCM in tunnel mode");
  out->offload = ESPALIER_OFFLOAD_PACKET;
  if (SINS(random_recipe) && b->mood++ % 3 == 2) out->offload = ESPALIER_OFFLOAD_CRYPTO;
  if (SINS(recipe_for_one_thread)) {
    if (atomic_fetch_add(&b->asked, 1) > 0) out->offload = ESPALIER_OFFLOAD_CRYPTO;
    usleep(20);
    atomic_fetch_sub(&b->asked, 1);
  }
  strcpy(out->interface, SINS(recipe_for_nothing) ? "" : "zoo0");
  return ESPALIER_OK;
}

static const espalier_kernel zoo_kernel = {.struct_size = sizeof(espalier_kernel),
                                           .recipe = recipe};

static void close_backend(void *self) {
  if (SINS(crashes_in_close)) abort();
  free(self);
}

static espalier_status negotiate(const espalier_host *host, const char *options,
                                 const espalier_backend **backend, espalier_message *message) {
  static unsigned started;
  if (started++ > 0 && SINS(starts_once))
    return zoo_say(message, ESPALIER_TRANSIENT, "it was started once, which is enough");
  zoo_backend *b = calloc(1, sizeof *b);
  if (b == NULL) return zoo_say(message, ESPALIER_CAPACITY, "no memory");
  b->host = host;
  pthread_mutex_init(&b->regions_lock, NULL);
  atomic_store(&b->packets_left, strstr(options, "unplug") != NULL ? 100 : -1);
  b->comes_back = strstr(options, "back") != NULL;
  b->gets_hot = strstr(options, "hot") != NULL;
  b->table.struct_size = SINS(small_table) ? 8 : sizeof b->table;
  b->table.self = b;
  b->table.close = close_backend;
  b->table.enumerate = enumerate;
  b->table.caps = caps;
  b->table.pools = pools;
  b->table.health = health;
  b->table.userspace = &zoo_userspace;
  b->table.kernel = &zoo_kernel;
  *backend = &b->table;
  return ESPALIER_OK;
}

__attribute__((visibility("default"), used)) const espalier_plugin_entry espalier_plugin = {
    .magic = SINS(bad_magic) ? 0xdeadbeefu : ESPALIER_ABI_MAGIC,
    .abi_major = ESPALIER_ABI_MAJOR,
    .abi_minor = ESPALIER_ABI_MINOR,
    .negotiate = negotiate,
};
