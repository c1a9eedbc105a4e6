/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <sys/wait.h>
#include <unistd.h>

ZOO_MANIFEST("abi=1.0\nname=daemonizes\nvendor=Zoo\nversion=1.0\ncpu=\n")

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  /* The grandchild is in a session of its own, and its parent is gone. */
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() == 0)
      for (;;) pause();
    _exit(0);
  }
  waitpid(child, NULL, 0);
  return zoo_negotiate(host, options, backend, message);
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, negotiate};
