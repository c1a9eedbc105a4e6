// SPDX-License-Identifier: Apache-2.0
#include <espalier/secret.hpp>

#include <fmt/format.h>

#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace espalier {
namespace {

constexpr std::size_t kRegionBytes = 64 * 1024;  // a multiple of every page size in use
constexpr std::size_t kLine = 64;                // blocks of a line or more start at a line

// What blocks there are. Smaller secrets than a line go by 16 bytes, larger ones by powers of two.
constexpr std::array<std::size_t, 14> kBlockBytes = {16,   32,   48,   64,   128,   256,   512,
                                                     1024, 2048, 4096, 8192, 16384, 32768, 65536};

constexpr std::size_t class_of(std::size_t size) noexcept {
  std::size_t index = 0;
  while (kBlockBytes[index] < size) ++index;
  return index;
}

// The largest block that fits into `room` bytes; room is at least the smallest.
constexpr std::size_t largest_class_in(std::size_t room) noexcept {
  std::size_t index = kBlockBytes.size() - 1;
  while (kBlockBytes[index] > room) --index;
  return index;
}

Error lock_error(int reason) {
  const std::string what = fmt::format("cannot lock {} bytes of memory for keys", kRegionBytes);
  if (reason != ENOMEM && reason != EPERM && reason != EAGAIN)
    return {ErrorCode::io, fmt::format("{}: {}", what, std::strerror(reason))};
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return {
      ErrorCode::permission,
      fmt::format("{}: the limit RLIMIT_MEMLOCK is {} bytes and used up; raise it before "
                  "the start with 'ulimit -l' in a shell of root, or with LimitMEMLOCK= where a "
                  "systemd unit starts the program, or give it "
                  "CAP_IPC_LOCK",
                  what, limit.rlim_cur)};
}

// One locked, undumpable mapping; wiped and given back when destroyed.
class Region {
 public:
  static Result<Region> map() {
    void* const memory =
        mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      return fail(ErrorCode::io, fmt::format("cannot map {} bytes of memory for keys: {}",
                                             kRegionBytes, std::strerror(errno)));
    Region region(static_cast<std::uint8_t*>(memory));
    // mlock2, since the sanitizers turn mlock into nothing.
    if (mlock2(memory, kRegionBytes, 0) != 0) return std::unexpected(lock_error(errno));
    if (madvise(memory, kRegionBytes, MADV_DONTDUMP) != 0)
      return fail(ErrorCode::io,
                  fmt::format("cannot keep the memory for keys out of core dumps: {}",
                              std::strerror(errno)));
    return region;
  }

  Region(Region&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  Region& operator=(Region&&) = delete;
  ~Region() {
    if (memory_ == nullptr) return;
    wipe(memory_, kRegionBytes);
    munmap(memory_, kRegionBytes);
  }

  std::uint8_t* data() const noexcept { return memory_; }

 private:
  explicit Region(std::uint8_t* memory) noexcept : memory_(memory) {}
  std::uint8_t* memory_;
};

}  // namespace

// Free blocks of a class form a list through their own first bytes, so that a secret costs no more
// than its rounding up. Fresh blocks are cut off one run of memory; what a run cannot serve any
// more is kept as free blocks, and a larger free block becomes the next run before a new region
// does.
struct SecretPool::Impl {
  struct FreeBlock {
    FreeBlock* next;
  };

  std::mutex mutex;
  std::vector<Region> regions;
  std::uint8_t* fresh = nullptr;
  std::size_t fresh_bytes = 0;
  std::array<FreeBlock*, kBlockBytes.size()> free{};

  void push(std::size_t index, std::uint8_t* memory) noexcept {
    free[index] = ::new (static_cast<void*>(memory)) FreeBlock{free[index]};
  }

  // A block that is all zero, or nullptr.
  std::uint8_t* pop(std::size_t index) noexcept {
    FreeBlock* const block = free[index];
    if (block == nullptr) return nullptr;
    free[index] = block->next;
    return static_cast<std::uint8_t*>(std::memset(static_cast<void*>(block), 0, sizeof(*block)));
  }

  std::uint8_t* cut(std::size_t bytes) noexcept {
    fresh_bytes -= bytes;
    return std::exchange(fresh, fresh + bytes);
  }

  // Cuts the run up to the next line, so that the next block starts there.
  void align_to_line() noexcept {
    const std::size_t behind = reinterpret_cast<std::uintptr_t>(fresh) % kLine;
    const std::size_t gap = behind == 0 ? 0 : kLine - behind;
    if (gap == 0 || gap > fresh_bytes) return;
    push(class_of(gap), cut(gap));
  }

  void keep_rest() noexcept {
    align_to_line();
    while (fresh_bytes > 0) {
      const std::size_t index = largest_class_in(fresh_bytes);
      push(index, cut(kBlockBytes[index]));
    }
  }

  // A new run with room for a block of that class.
  Result<void> refill(std::size_t wanted) {
    keep_rest();
    for (std::size_t index = wanted; index < kBlockBytes.size(); ++index) {
      fresh = pop(index);
      fresh_bytes = fresh == nullptr ? 0 : kBlockBytes[index];
      if (fresh != nullptr) return {};
    }
    auto region = Region::map();
    if (!region) return std::unexpected(region.error());
    regions.push_back(std::move(*region));
    fresh = regions.back().data();
    fresh_bytes = kRegionBytes;
    return {};
  }
};

SecretPool::SecretPool() : impl_(std::make_unique<Impl>()) {}
SecretPool::~SecretPool() = default;

Result<std::unique_ptr<SecretPool>> SecretPool::create() {
  std::unique_ptr<SecretPool> pool(new SecretPool);
  auto filled = pool->impl_->refill(kBlockBytes.size() - 1);
  if (!filled) return std::unexpected(filled.error());
  return pool;
}

Result<std::uint8_t*> SecretPool::allocate(std::size_t size) {
  if (size == 0 || size > kRegionBytes)
    return fail(ErrorCode::invalid,
                fmt::format("a secret of {} bytes was asked for; the pool gives 1 to {}", size,
                            kRegionBytes));
  const std::size_t wanted = class_of(size);
  const std::size_t bytes = kBlockBytes[wanted];
  const std::scoped_lock lock(impl_->mutex);
  if (std::uint8_t* const block = impl_->pop(wanted)) return block;
  if (bytes >= kLine) impl_->align_to_line();
  if (impl_->fresh_bytes < bytes)
    if (auto filled = impl_->refill(wanted); !filled) return std::unexpected(filled.error());
  return impl_->cut(bytes);
}

void SecretPool::release(std::uint8_t* memory, std::size_t size) noexcept {
  if (memory == nullptr || size == 0) return;
  const std::size_t index = class_of(size);
  wipe(memory, kBlockBytes[index]);
  const std::scoped_lock lock(impl_->mutex);
  impl_->push(index, memory);
}

void wipe(void* memory, std::size_t size) noexcept {
  if (size != 0) explicit_bzero(memory, size);  // which does not take the nullptr of an empty span
}

}  // namespace espalier
