/* SPDX-License-Identifier: Apache-2.0
 *
 * A small, well-behaved backend in plain C11 over abi.h alone. Each plugin of this folder includes
 * it and spoils one thing. One device, "zoo"; its ops come back done and unchanged.
 */
#ifndef ESPALIER_TESTS_ZOO_H
#define ESPALIER_TESTS_ZOO_H

#include <espalier/abi.h>

#include <stddef.h>
#include <string.h>

#define ZOO_MANIFEST(text) \
  __attribute__((section(ESPALIER_MANIFEST_SECTION), used)) static const char zoo_manifest[] = text;
#define ZOO_EXPORT __attribute__((visibility("default"), used))

static inline espalier_status zoo_enumerate(void* self, espalier_device_info* devices,
                                            uint32_t capacity, uint32_t* count,
                                            espalier_message* message) {
  (void)self;
  (void)message;
  *count = 1;
  if (capacity == 0) return ESPALIER_OK;
  devices[0].dataplane = ESPALIER_USERSPACE;
  devices[0].id = 7;
  devices[0].numa_node = -1;
  strcpy(devices[0].name, "zoo");
  strcpy(devices[0].description, "a device of a test");
  return ESPALIER_OK;
}

static inline espalier_status zoo_caps(void* self, uint64_t device, espalier_capability* caps,
                                       uint32_t capacity, uint32_t* count,
                                       espalier_message* message) {
  (void)self;
  (void)device;
  (void)message;
  *count = 1;
  if (capacity == 0) return ESPALIER_OK;
  caps[0].cipher = ESPALIER_CIPHER_AES_GCM;
  caps[0].integrity = ESPALIER_INTEGRITY_NONE;
  caps[0].key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_256;
  caps[0].icv_bytes = ESPALIER_ICV(16);
  caps[0].directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
  caps[0].modes = ESPALIER_TUNNEL;
  caps[0].encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
  caps[0].families = ESPALIER_IPV4 | ESPALIER_IPV6;
  caps[0].esn = 3;
  caps[0].score = 1;
  return ESPALIER_OK;
}

static inline espalier_status zoo_pools(void* self, uint64_t device, espalier_pool* pools,
                                        uint32_t capacity, uint32_t* count,
                                        espalier_message* message) {
  (void)self;
  (void)device;
  (void)message;
  *count = 1;
  if (capacity == 0) return ESPALIER_OK;
  pools[0].kind = ESPALIER_POOL_SAS;
  pools[0].directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
  pools[0].use = ESPALIER_USE_LIVE;
  pools[0].capacity = 8;
  pools[0].used = 2;
  strcpy(pools[0].name, "sessions");
  return ESPALIER_OK;
}

static inline espalier_status zoo_health(void* self, uint64_t device, espalier_health* health) {
  (void)self;
  (void)device;
  health->state = ESPALIER_UP;
  return ESPALIER_OK;
}

static inline espalier_status zoo_device_open(void* self, uint64_t id, void** device,
                                              espalier_message* message) {
  (void)id;
  (void)message;
  *device = self;
  return ESPALIER_OK;
}

static inline espalier_status zoo_session_open(void* device, const espalier_session_params* params,
                                               uint64_t* session, espalier_message* message) {
  (void)device;
  (void)message;
  *session = params->cipher;
  return ESPALIER_OK;
}

static inline espalier_status zoo_queue_open(void* device, void** queue,
                                             espalier_message* message) {
  (void)message;
  *queue = device;
  return ESPALIER_OK;
}

static inline espalier_status zoo_process(void* queue, espalier_op* const* ops, uint32_t n) {
  (void)queue;
  for (uint32_t i = 0; i < n; ++i) ops[i]->status = ESPALIER_OP_DONE;
  return ESPALIER_OK;
}

static inline void zoo_close(void* handle) { (void)handle; }

static inline void zoo_session_close(void* device, uint64_t session) {
  (void)device;
  (void)session;
}

/* Not const: the plugins spoil them. */
static espalier_userspace zoo_userspace = {.struct_size = sizeof(espalier_userspace),
                                           .device_open = zoo_device_open,
                                           .device_close = zoo_close,
                                           .session_open = zoo_session_open,
                                           .session_close = zoo_session_close,
                                           .queue_open = zoo_queue_open,
                                           .queue_close = zoo_close,
                                           .process = zoo_process};

static espalier_backend zoo_backend = {.struct_size = sizeof(espalier_backend),
                                       .self = &zoo_userspace,
                                       .close = zoo_close,
                                       .enumerate = zoo_enumerate,
                                       .caps = zoo_caps,
                                       .pools = zoo_pools,
                                       .health = zoo_health,
                                       .userspace = &zoo_userspace};

static inline espalier_status zoo_negotiate(const espalier_host* host, const char* options,
                                            const espalier_backend** backend,
                                            espalier_message* message) {
  (void)host;
  (void)options;
  (void)message;
  *backend = &zoo_backend;
  return ESPALIER_OK;
}

#endif
