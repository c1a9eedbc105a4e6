// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace espalier::openssl {

// HMAC (RFC 2104) that is keyed once: it keeps the hash's states after the inner and the outer
// padded key, and starts each packet from a copy of them. Wiped when it goes. One thread at a time.
//
// Underneath are libcrypto's own hash functions, not EVP. Every way through EVP of OpenSSL 3.0
// (EVP_MAC_init, EVP_MD_CTX_copy_ex, EVP_DigestInit_ex2) makes a provider context anew and so
// allocates twice a packet, which costs 45 to 85 ns of it and a lock of the allocator now and then.
// These states are plain values.
class Hmac {
 public:
  static constexpr std::size_t kMaxDigest = 64;

  virtual ~Hmac() = default;
  Hmac() = default;
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  // Of `message` and what follows it, into the first bytes of `digest`.
  virtual void compute(std::span<const std::uint8_t> message, std::span<const std::uint8_t> rest,
                       std::span<std::uint8_t, kMaxDigest> digest) noexcept = 0;
};

// An `integrity` of abi.h; nothing when this libcrypto does not have the hash.
std::unique_ptr<Hmac> make_hmac(std::uint16_t integrity, std::span<const std::uint8_t> key);

}  // namespace espalier::openssl
