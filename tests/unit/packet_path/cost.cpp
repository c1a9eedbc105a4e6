// SPDX-License-Identifier: Apache-2.0
#include "cost.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

// What malloc and its kin are in glibc when nobody takes their place.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);
}

namespace espalier::test {
namespace {

std::atomic<std::uint64_t> allocations, frees, locks;

void count(std::atomic<std::uint64_t>& what) noexcept {
  what.fetch_add(1, std::memory_order_relaxed);
}

template <class Lock>
using LockFunction = int (*)(Lock*);

template <class Lock>
int pass_on(std::atomic<LockFunction<Lock>>& next, const char* name, Lock* lock) noexcept {
  count(locks);
  auto function = next.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<LockFunction<Lock>>(dlsym(RTLD_NEXT, name));
    next.store(function, std::memory_order_relaxed);
  }
  return function(lock);
}

std::atomic<LockFunction<pthread_mutex_t>> mutex_lock, mutex_trylock;
std::atomic<LockFunction<pthread_rwlock_t>> read_lock, write_lock;

}  // namespace

Cost cost_so_far() noexcept { return {allocations, frees, locks}; }

}  // namespace espalier::test

using namespace espalier::test;

extern "C" {

void* malloc(std::size_t size) noexcept {
  count(allocations);
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  count(allocations);
  return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) noexcept {
  count(allocations);
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count(allocations);
  return __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count(allocations);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  count(allocations);
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) noexcept {
  if (memory != nullptr) count(frees);
  __libc_free(memory);
}
int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
  return pass_on(mutex_lock, "pthread_mutex_lock", lock);
}
int pthread_mutex_trylock(pthread_mutex_t* lock) noexcept {
  return pass_on(mutex_trylock, "pthread_mutex_trylock", lock);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  return pass_on(read_lock, "pthread_rwlock_rdlock", lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  return pass_on(write_lock, "pthread_rwlock_wrlock", lock);
}
}
