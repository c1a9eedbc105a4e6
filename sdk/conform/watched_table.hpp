// SPDX-License-Identifier: Apache-2.0
//
// The tables of a backend, to be called like the C ones; each call is watched: how long it takes,
// and whether it leaves the processor's settings as they were.
#pragma once

#include <espalier/abi.h>
#include <conform/run.hpp>

#include <chrono>
#include <optional>
#include <string_view>
#include <type_traits>

namespace espalier::conform {

// What a call may take. A queue's is waited for by packets.
inline constexpr std::chrono::seconds kQueueCall{1};
inline constexpr std::chrono::seconds kControlCall{5};

// Settings of the processor that a call has to leave alone, in one word: MXCSR without its sticky
// results, and the control word of x87; or FPCR.
std::uint64_t fpu_state() noexcept;

// What is around one call, from its construction to end(). Any thread.
class CallWatch {
 public:
  CallWatch(Run& run, const char* name, std::chrono::seconds limit) noexcept
      : run_(run), name_(name), limit_(limit), fpu_(fpu_state()), start_(Moment::now()) {}
  void end();

 private:
  struct Moment {
    std::chrono::steady_clock::time_point clock;
    std::chrono::microseconds used{};  // of the processor, by this thread
    long displaced = 0;                // how often the thread had to make room for others

    static Moment now() noexcept;
  };
  std::chrono::microseconds took(const Moment& end) const noexcept;

  Run& run_;
  const char* name_;
  std::chrono::seconds limit_;
  std::uint64_t fpu_;
  Moment start_;
};

template <class Function>
class WatchedCall;

template <class R, class... A>
class WatchedCall<R (*)(A...)> {
 public:
  WatchedCall(Run& run, const char* name, std::chrono::seconds limit, R (*function)(A...)) noexcept
      : run_(&run), name_(name), limit_(limit), function_(function) {}

  R operator()(A... arguments) const {
    CallWatch watch(*run_, name_, limit_);
    if constexpr (std::is_void_v<R>) {
      function_(arguments...);
      watch.end();
    } else {
      const R result = function_(arguments...);
      watch.end();
      return result;
    }
  }

 private:
  Run* run_;
  const char* name_;
  std::chrono::seconds limit_;
  R (*function_)(A...);
};

// A member of a table, which is a pointer to a function.
template <class Table, class Function>
WatchedCall<Function> watched_member(Function Table::*);
template <auto Member>
using WatchedMember = decltype(watched_member(Member));

struct WatchedUserspace {
  WatchedUserspace(Run& run, const espalier_userspace& table);

  WatchedMember<&espalier_userspace::device_open> device_open;
  WatchedMember<&espalier_userspace::device_close> device_close;
  WatchedMember<&espalier_userspace::mem_attach> mem_attach;
  WatchedMember<&espalier_userspace::mem_detach> mem_detach;
  WatchedMember<&espalier_userspace::session_open> session_open;
  WatchedMember<&espalier_userspace::session_close> session_close;
  WatchedMember<&espalier_userspace::queue_open> queue_open;
  WatchedMember<&espalier_userspace::queue_close> queue_close;
  WatchedMember<&espalier_userspace::process> process;
  WatchedMember<&espalier_userspace::submit> submit;
  WatchedMember<&espalier_userspace::poll> poll;
  WatchedMember<&espalier_userspace::queue_quiesce> queue_quiesce;
};

struct WatchedKernel {
  WatchedMember<&espalier_kernel::recipe> recipe;
};

struct WatchedBackend {
  WatchedBackend(Run& run, const espalier_backend& table);

  void* self;
  WatchedMember<&espalier_backend::close> close;
  WatchedMember<&espalier_backend::enumerate> enumerate;
  WatchedMember<&espalier_backend::caps> caps;
  WatchedMember<&espalier_backend::pools> pools;
  WatchedMember<&espalier_backend::health> health;
  std::optional<WatchedUserspace> userspace;
  std::optional<WatchedKernel> kernel;
};

}  // namespace espalier::conform
