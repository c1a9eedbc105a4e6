// SPDX-License-Identifier: Apache-2.0
#include "gateway/used_keys.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace espalier {

UsedKeys::UsedKeys() {
  // Without random bytes there is no way to go on: whoever knows the secret could make collisions.
  if (getrandom(secret_.data(), secret_.size(), 0) != ssize_t{sizeof(secret_)}) std::abort();
}

std::uint64_t UsedKeys::fingerprint(const SaKeys& keys) const noexcept {
  // Longest: 32 bytes of AES or ChaCha20 key and 4 of salt.
  std::array<std::uint8_t, 64> text{};
  const auto key = keys.cipher.view(), salt = keys.salt.view();
  std::memcpy(text.data(), key.data(), key.size());
  std::memcpy(text.data() + key.size(), salt.data(), salt.size());
  std::array<std::uint8_t, 32> digest{};
  HMAC(EVP_sha256(), secret_.data(), int{sizeof(secret_)}, text.data(), key.size() + salt.size(),
       digest.data(), nullptr);
  wipe(text.data(), text.size());
  std::uint64_t value = 0;
  std::memcpy(&value, digest.data(), sizeof(value));
  return value != 0 ? value : 1;
}

bool UsedKeys::contains(std::uint64_t fingerprint) const noexcept {
  const std::size_t mask = places_.size() - 1;
  for (std::size_t i = fingerprint & mask; places_[i] != 0; i = (i + 1) & mask) {
    if (places_[i] == fingerprint) return true;
  }
  return false;
}

void UsedKeys::insert(std::uint64_t fingerprint) {
  if (contains(fingerprint)) return;
  if (++used_ * 4 > places_.size() * 3) {
    const auto old = std::exchange(places_, std::vector<std::uint64_t>(places_.size() * 2));
    used_ = 1;
    for (const std::uint64_t value : old) {
      if (value != 0) insert(value);
    }
  }
  const std::size_t mask = places_.size() - 1;
  std::size_t i = fingerprint & mask;
  while (places_[i] != 0) i = (i + 1) & mask;
  places_[i] = fingerprint;
}

}  // namespace espalier
