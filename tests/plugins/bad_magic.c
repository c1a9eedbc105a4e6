/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

ZOO_MANIFEST("abi=1.0\nname=bad_magic\nvendor=Zoo\nversion=1.0\ncpu=\n")

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {0xdeadbeefu, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, zoo_negotiate};
