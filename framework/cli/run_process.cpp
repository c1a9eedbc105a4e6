// SPDX-License-Identifier: Apache-2.0
#include "run_process.hpp"

#include "io/os_error.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include <cerrno>

namespace espalier::cli {

// With a finite limit, MCL_FUTURE would make later mappings fail; as root the limit does not count,
// which only trying tells.
Result<Hardening> harden_process() {
  if (::prctl(PR_SET_DUMPABLE, 0) != 0)
    return fail(ErrorCode::io,
                fmt::format("The process cannot be made undumpable: {}.", io::words_of(errno)));
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  rlimit raised = {RLIM_INFINITY, RLIM_INFINITY};
  const bool unlimited =
      limit.rlim_cur == RLIM_INFINITY || ::setrlimit(RLIMIT_MEMLOCK, &raised) == 0;
  if (unlimited && ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return Hardening{};
  return Hardening{fmt::format(
      "The limit RLIMIT_MEMLOCK is {} bytes, too small to lock all memory. Espalier's own keys are "
      "locked, but key schedules within crypto libraries may be swapped out. Set "
      "LimitMEMLOCK=infinity in the service unit, or 'ulimit -l unlimited'.",
      limit.rlim_cur)};
}

}  // namespace espalier::cli
