// SPDX-License-Identifier: Apache-2.0
#include "harden.hpp"

#include "io/os_error.hpp"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>

namespace espalier::cli {

namespace {

// Whether more than the limit can be locked, as with CAP_IPC_LOCK: only trying tells.
bool exceeds_limit(rlim_t limit) {
  if (limit == RLIM_INFINITY) return true;
  const std::size_t size = limit + static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* memory =
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  const bool locked = ::mlock2(memory, size, MLOCK_ONFAULT) == 0;
  ::munmap(memory, size);
  return locked;
}

}  // namespace

// Under a limit that counts, MCL_FUTURE would make later mappings fail.
Result<Hardening> harden_process() {
  if (::prctl(PR_SET_DUMPABLE, 0) != 0)
    return fail(ErrorCode::io,
                fmt::format("The process cannot be made undumpable: {}.", io::words_of(errno)));
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (exceeds_limit(limit.rlim_cur) && ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
    return Hardening{};
  return Hardening{fmt::format(
      "The limit RLIMIT_MEMLOCK is {} bytes, too small to lock all memory. Espalier's own keys are "
      "locked, but key schedules within crypto libraries may be swapped out. Before "
      "the start, say 'ulimit -l unlimited' in a shell of root, or LimitMEMLOCK=infinity where a "
      "systemd unit starts it.",
      limit.rlim_cur)};
}

// The C library has no call for it.
bool may_administer_network() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  return ::syscall(SYS_capget, &header, sets) == 0 &&
         (sets[0].effective & 1U << CAP_NET_ADMIN) != 0;
}

}  // namespace espalier::cli
