// SPDX-License-Identifier: Apache-2.0
#include <espalier/secret.hpp>

#include <fmt/format.h>

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier {
namespace {

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

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

}  // namespace espalier
