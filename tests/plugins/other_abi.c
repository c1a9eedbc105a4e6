/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=2.0\nname=other_abi\nvendor=Zoo\nversion=1.0\ncpu=\n")

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, 2, 0, zoo_negotiate};
