/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=1.0\nname=abi_disagrees\nvendor=Zoo\nversion=1.0\ncpu=\n")

/* Its manifest says 1.0. */
ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, 9,
                                                          zoo_negotiate};
