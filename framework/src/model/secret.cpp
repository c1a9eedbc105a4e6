// SPDX-License-Identifier: Apache-2.0
#include <espalier/secret.hpp>

#include <fmt/format.h>

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace espalier {
namespace {

constexpr std::size_t kRegionBytes = 64 * 1024;  // a multiple of every page size in use
constexpr std::size_t kStep = 16;                // classes up to kSmall are multiples of it
constexpr std::size_t kSmall = 128;
constexpr std::size_t kSmallClasses = kSmall / kStep;
constexpr std::size_t kClasses = kSmallClasses + 9;  // then powers of two, 256 to 64 KiB

struct SizeClass {
  std::size_t index = 0;
  std::size_t bytes = 0;
};

SizeClass size_class(std::size_t size) noexcept {
  if (size <= kSmall) {
    const std::size_t steps = (size + kStep - 1) / kStep;
    return {steps - 1, steps * kStep};
  }
  const std::size_t bytes = std::bit_ceil(size);
  const auto doublings = static_cast<std::size_t>(std::bit_width(bytes / kSmall)) - 1;
  return {kSmallClasses + doublings - 1, bytes};
}

Error lock_error(int reason) {
  const std::string what = fmt::format("cannot lock {} bytes of memory for keys", kRegionBytes);
  if (reason != ENOMEM && reason != EPERM && reason != EAGAIN)
    return {ErrorCode::io, fmt::format("{}: {}", what, std::strerror(reason))};
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return {ErrorCode::permission,
          fmt::format("{}: the limit RLIMIT_MEMLOCK is {} bytes and used up; raise it with "
                      "LimitMEMLOCK= in the service unit or 'ulimit -l', or give the program "
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
    if (mlock(memory, kRegionBytes) != 0) return std::unexpected(lock_error(errno));
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

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

// Free blocks of a class form a list through their own first bytes, so that a secret costs no more
// than its rounding up. Fresh blocks are cut off the end of the newest region.
struct SecretPool::Impl {
  struct FreeBlock {
    FreeBlock* next;
  };

  std::mutex mutex;
  std::vector<Region> regions;
  std::uint8_t* fresh = nullptr;
  std::size_t fresh_bytes = 0;
  std::array<FreeBlock*, kClasses> free{};

  Result<void> grow() {
    auto region = Region::map();
    if (!region) return std::unexpected(region.error());
    keep_rest();
    regions.push_back(std::move(*region));
    fresh = regions.back().data();
    fresh_bytes = kRegionBytes;
    return {};
  }

  // What is left of a region when a larger block is wanted serves small secrets later.
  void keep_rest() noexcept {
    while (fresh_bytes >= kStep) {
      std::size_t bytes = std::min(std::bit_floor(fresh_bytes), kRegionBytes);
      if (fresh_bytes <= kSmall) bytes = fresh_bytes;
      push(size_class(bytes), fresh);
      fresh += bytes;
      fresh_bytes -= bytes;
    }
  }

  void push(SizeClass wanted, std::uint8_t* memory) noexcept {
    free[wanted.index] = ::new (memory) FreeBlock{free[wanted.index]};
  }
};

SecretPool::SecretPool() : impl_(std::make_unique<Impl>()) {}
SecretPool::~SecretPool() = default;

Result<std::unique_ptr<SecretPool>> SecretPool::create() {
  std::unique_ptr<SecretPool> pool(new SecretPool);
  if (auto grown = pool->impl_->grow(); !grown) return std::unexpected(grown.error());
  return pool;
}

Result<std::uint8_t*> SecretPool::allocate(std::size_t size) {
  if (size == 0 || size > kRegionBytes)
    return fail(ErrorCode::invalid,
                fmt::format("a secret of {} bytes was asked for; the pool gives 1 to {}", size,
                            kRegionBytes));
  const SizeClass wanted = size_class(size);
  const std::scoped_lock lock(impl_->mutex);
  if (Impl::FreeBlock* const block = impl_->free[wanted.index]) {
    impl_->free[wanted.index] = block->next;
    std::memset(static_cast<void*>(block), 0, sizeof(*block));
    return reinterpret_cast<std::uint8_t*>(block);
  }
  if (impl_->fresh_bytes < wanted.bytes)
    if (auto grown = impl_->grow(); !grown) return std::unexpected(grown.error());
  impl_->fresh_bytes -= wanted.bytes;
  return std::exchange(impl_->fresh, impl_->fresh + wanted.bytes);
}

void SecretPool::release(std::uint8_t* memory, std::size_t size) noexcept {
  if (memory == nullptr || size == 0) return;
  const SizeClass wanted = size_class(size);
  wipe(memory, wanted.bytes);
  const std::scoped_lock lock(impl_->mutex);
  impl_->push(wanted, memory);
}

Result<SecretBytes> SecretBytes::copy(SecretPool& pool, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return SecretBytes();
  const auto memory = pool.allocate(bytes.size());
  if (!memory) return std::unexpected(memory.error());
  std::memcpy(*memory, bytes.data(), bytes.size());
  return SecretBytes(pool, *memory, bytes.size());
}

Result<SecretBytes> SecretBytes::from_hex(SecretPool& pool, std::string_view hex) {
  if (hex.starts_with("0x") || hex.starts_with("0X")) hex.remove_prefix(2);
  if (hex.size() % 2 != 0)
    return fail(
        ErrorCode::invalid,
        fmt::format("a key in hex has {} digits; it must have two for each byte", hex.size()));
  const auto wrong = std::ranges::find_if(hex, [](char c) { return hex_value(c) < 0; });
  if (wrong != hex.end())
    return fail(ErrorCode::invalid,
                fmt::format("a key in hex has a character at place {} that is not one of 0-9, a-f",
                            wrong - hex.begin() + 1));
  if (hex.empty()) return SecretBytes();
  const auto memory = pool.allocate(hex.size() / 2);
  if (!memory) return std::unexpected(memory.error());
  for (std::size_t i = 0; i < hex.size() / 2; ++i)
    (*memory)[i] =
        static_cast<std::uint8_t>(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
  return SecretBytes(pool, *memory, hex.size() / 2);
}

Result<SecretBytes> SecretBytes::random(SecretPool& pool, std::size_t size) {
  if (size == 0) return SecretBytes();
  const auto memory = pool.allocate(size);
  if (!memory) return std::unexpected(memory.error());
  SecretBytes secret(pool, *memory, size);
  for (std::size_t filled = 0; filled < size;) {
    const ssize_t got = getrandom(*memory + filled, size - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return fail(ErrorCode::io, fmt::format("the system gave no random bytes for a key: {}",
                                             std::strerror(errno)));
    filled += static_cast<std::size_t>(got);
  }
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  reset();
  pool_ = std::exchange(other.pool_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void SecretBytes::reset() noexcept {
  if (data_ != nullptr) pool_->release(data_, size_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

void wipe(void* memory, std::size_t size) noexcept { explicit_bzero(memory, size); }

}  // namespace espalier
