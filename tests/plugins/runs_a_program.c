/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <sys/wait.h>
#include <unistd.h>

ZOO_MANIFEST("abi=1.0\nname=runs_a_program\nvendor=Zoo\nversion=1.0\ncpu=\n")

static espalier_status negotiate(const espalier_host* host, const char* options,
                                 const espalier_backend** backend, espalier_message* message) {
  /* Two that end by themselves: one is waited for, the other one not. */
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
  const pid_t other = fork();
  if (other == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT);
  return zoo_negotiate(host, options, backend, message);
}

ZOO_EXPORT const espalier_plugin_entry espalier_plugin = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                          ESPALIER_ABI_MINOR, negotiate};
