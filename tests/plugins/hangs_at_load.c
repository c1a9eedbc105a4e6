/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <unistd.h>

ZOO_MANIFEST("abi=1.0\nname=hangs_at_load\nvendor=Zoo\nversion=1.0\ncpu=\n")

__attribute__((constructor)) static void hang(void) {
  for (;;) pause();
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, zoo_negotiate};
