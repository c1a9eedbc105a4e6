// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace espalier {

// Locked, undumpable, zeroed memory for keys (law 7). Thread-safe. Outlives what it gave out.
class SecretPool {
 public:
  // Locks the first pages at once, so that a RLIMIT_MEMLOCK that is too small shows at start.
  static Result<std::unique_ptr<SecretPool>> create();
  ~SecretPool();
  SecretPool(const SecretPool&) = delete;
  SecretPool& operator=(const SecretPool&) = delete;

  // Zeroed memory, or an error that names RLIMIT_MEMLOCK. At most 64 KiB at once. Aligned to 16
  // bytes, and to 64 where it is 64 or more.
  Result<std::uint8_t*> allocate(std::size_t size);
  void release(std::uint8_t* memory, std::size_t size) noexcept;  // zeroes

 private:
  SecretPool();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Bytes of a key. Move-only; zeroed when destroyed. Has no printer, on purpose.
class SecretBytes {
 public:
  SecretBytes() = default;
  static Result<SecretBytes> copy(SecretPool& pool, std::span<const std::uint8_t> bytes);
  // Two digits a byte, with or without "0x". Errors never show a digit.
  static Result<SecretBytes> from_hex(SecretPool& pool, std::string_view hex);
  // From getrandom(2).
  static Result<SecretBytes> random(SecretPool& pool, std::size_t size);
  ~SecretBytes() { reset(); }
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;

  std::span<const std::uint8_t> view() const noexcept { return {data_, size_}; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  void reset() noexcept;

 private:
  SecretBytes(SecretPool& pool, std::uint8_t* data, std::size_t size) noexcept
      : pool_(&pool), data_(data), size_(size) {}

  SecretPool* pool_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// The keys of one SA, in the layout of one allocation each: lengths follow from its transform.
struct SaKeys {
  SecretBytes cipher;     // without salt
  SecretBytes salt;       // or empty
  SecretBytes integrity;  // or empty
};

// Overwrites memory in a way that the compiler keeps.
void wipe(void* memory, std::size_t size) noexcept;

}  // namespace espalier
