// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>
#include <conform/watched_table.hpp>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace espalier::conform {
namespace {

// The calling convention wants it clear. It is cleared here: with it set, nothing works.
[[gnu::always_inline]] inline bool runs_backwards() noexcept {
#if defined(__x86_64__)
  constexpr std::uint64_t kDirectionFlag = 1U << 10;
  const bool set = (__readeflags() & kDirectionFlag) != 0;
  __asm__ volatile("cld" ::: "cc", "memory");
  return set;
#else
  return false;
#endif
}

}  // namespace

std::uint64_t fpu_state() noexcept {
#if defined(__x86_64__)
  std::uint16_t x87 = 0;
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  return std::uint64_t{_mm_getcsr() & ~0x3fU} << 16 | x87;
#elif defined(__aarch64__)
  std::uint64_t fpcr = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
#else
  return 0;
#endif
}

CallWatch::Moment CallWatch::Moment::now() noexcept {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto microseconds = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return {std::chrono::steady_clock::now(),
          microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_nivcsw};
}

// By the clock; but where the machine has given the processor to others meanwhile, what was used.
std::chrono::microseconds CallWatch::took(const Moment& end) const noexcept {
  const auto by_clock =
      std::chrono::duration_cast<std::chrono::microseconds>(end.clock - start_.clock);
  constexpr int kBusyMachine = 10;
  if (end.displaced == start_.displaced || by_clock > kBusyMachine * limit_) return by_clock;
  return end.used - start_.used;
}

void CallWatch::end() {
  const bool backwards = runs_backwards();
  const auto took = this->took(Moment::now());
  if (backwards)
    run_.fail(Req::fpu, fmt::format("{}() returns with the direction flag set", name_));
  if (const auto now = fpu_state(); now != fpu_)
    run_.fail(Req::fpu, fmt::format("{}() changed the floating point state from {:#x} to {:#x}",
                                    name_, fpu_, now));
  if (took > limit_)
    run_.fail(Req::no_hang,
              fmt::format("{}() took {} ms, of the {} s that it may take", name_,
                          std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
                          limit_.count()));
}

WatchedUserspace::WatchedUserspace(Run& run, const espalier_userspace& t)
    : device_open(run, "device_open", kControlCall, t.device_open),
      device_close(run, "device_close", kControlCall, t.device_close),
      mem_attach(run, "mem_attach", kControlCall, t.mem_attach),
      mem_detach(run, "mem_detach", kControlCall, t.mem_detach),
      session_open(run, "session_open", kControlCall, t.session_open),
      session_close(run, "session_close", kControlCall, t.session_close),
      queue_open(run, "queue_open", kControlCall, t.queue_open),
      queue_close(run, "queue_close", kControlCall, t.queue_close),
      process(run, "process", kQueueCall, t.process),
      submit(run, "submit", kQueueCall, t.submit),
      poll(run, "poll", kQueueCall, t.poll),
      // It is given a deadline of its own, which the cases judge.
      queue_quiesce(run, "queue_quiesce", kControlCall, t.queue_quiesce) {}

WatchedBackend::WatchedBackend(Run& run, const espalier_backend& t)
    : self(t.self),
      close(run, "close", kControlCall, t.close),
      enumerate(run, "enumerate", kControlCall, t.enumerate),
      caps(run, "caps", kControlCall, t.caps),
      pools(run, "pools", kControlCall, t.pools),
      health(run, "health", kControlCall, t.health) {
  if (t.userspace != nullptr) userspace.emplace(run, *t.userspace);
  if (t.kernel != nullptr)
    kernel.emplace(WatchedKernel{{run, "recipe", kControlCall, t.kernel->recipe}});
}

}  // namespace espalier::conform
