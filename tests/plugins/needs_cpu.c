/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=1.0\nname=needs_cpu\nvendor=Zoo\nversion=1.0\ncpu=fpu warp_drive\n")

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, zoo_negotiate};
