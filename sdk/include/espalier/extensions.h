/* SPDX-License-Identifier: Apache-2.0
 *
 * What a host may offer beyond abi.h, looked up with espalier_host.extension by id. A backend that
 * can do without must; one that cannot refuses to start where it is missing. Ids end in a version
 * of their own; what one of them names never changes but for members that are appended.
 */
#ifndef ESPALIER_EXTENSIONS_H
#define ESPALIER_EXTENSIONS_H

#include <espalier/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Other backends, for one that decorates them. What is found has passed every check that a plugin
 * passes before any of its code runs, is loaded, and stays for the life of the process. The caller
 * negotiates with it, gives it a host of its own making, and closes what it got: that instance is
 * the caller's and independent of any that the host itself has. */
#define ESPALIER_HOST_PLUGINS "espalier.host.plugins/1"

typedef struct espalier_host_plugins {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  espalier_status (*find)(void* context, const char* backend, const espalier_plugin_entry** entry,
                          espalier_message* message); /* [control] */
} espalier_host_plugins;

#ifdef __cplusplus
}
#endif
#endif
