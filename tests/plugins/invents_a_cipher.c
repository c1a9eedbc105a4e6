/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=1.0\nname=invents_a_cipher\nvendor=Zoo\nversion=1.0\ncpu=\n")

static espalier_status caps(void* self, uint64_t device, espalier_capability* list,
                            uint32_t capacity, uint32_t* count, espalier_message* message) {
  const espalier_status status = zoo_caps(self, device, list, capacity, count, message);
  list[0].cipher = 999;
  return status;
}

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  zoo_backend.caps = caps;
  return zoo_negotiate(host, options, backend, message);
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, negotiate};
