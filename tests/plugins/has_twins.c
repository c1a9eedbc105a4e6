/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=1.0\nname=has_twins\nvendor=Zoo\nversion=1.0\ncpu=\n")

static espalier_status enumerate(void* self, espalier_device_info* devices, uint32_t capacity,
                                 uint32_t* count, espalier_message* message) {
  const espalier_status status = zoo_enumerate(self, devices, capacity, count, message);
  devices[1] = devices[0];
  devices[1].id = 8;
  *count = 2;
  return status;
}

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  zoo_backend.enumerate = enumerate;
  return zoo_negotiate(host, options, backend, message);
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, negotiate};
