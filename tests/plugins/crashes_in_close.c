/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <stdlib.h>

ZOO_MANIFEST("abi=1.0\nname=crashes_in_close\nvendor=Zoo\nversion=1.0\ncpu=\n")

static void crash(void* self) {
  (void)self;
  abort();
}

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  zoo_backend.close = crash;
  return zoo_negotiate(host, options, backend, message);
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, negotiate};
