// SPDX-License-Identifier: Apache-2.0
#include "firmware.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstring>

namespace card {
namespace {

constexpr std::uint32_t kHeader = 8;  // SPI and sequence number
constexpr std::uint32_t kIcv = 16;    // of both suites
constexpr std::uint32_t kGcmIv = 8;
constexpr std::uint32_t kCbcIv = 16;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Cipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using CipherRun = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Mac = std::unique_ptr<EVP_MAC, Freed<EVP_MAC_free>>;
using MacRun = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;

void store_be32(std::uint8_t* to, std::uint32_t value) {
  for (int i = 3; i >= 0; --i, value >>= 8) to[i] = static_cast<std::uint8_t>(value);
}

// What the library's calls, which have returned, have left of keys on this thread's stack.
[[gnu::noinline]] void wipe_dead_stack() noexcept {
  std::uint8_t dead[16384];
  OPENSSL_cleanse(dead, sizeof dead);
}

bool update(EVP_CIPHER_CTX* run, std::uint8_t* to, const std::uint8_t* from, std::uint32_t size) {
  int written = 0;
  return size == 0 || EVP_CipherUpdate(run, to, &written, from, static_cast<int>(size)) == 1;
}

}  // namespace

struct Firmware::Algorithms {
  Cipher gcm128{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)};
  Cipher gcm256{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)};
  Cipher cbc128{EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr)};
  Cipher cbc256{EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)};
  Mac hmac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};

  // A cipher under the key of the SA. Freed after the packet, which wipes the key schedule.
  CipherRun keyed(const KeyBlock& keys, const std::uint8_t* iv) const {
    const bool is_long = keys.cipher_key_bytes == 32;
    const auto& cipher =
        keys.suite == Suite::gcm ? (is_long ? gcm256 : gcm128) : (is_long ? cbc256 : cbc128);
    CipherRun run(EVP_CIPHER_CTX_new());
    if (!run || EVP_CipherInit_ex2(run.get(), cipher.get(), keys.cipher_key, iv,
                                   keys.inbound ? 0 : 1, nullptr) != 1)
      return {};
    EVP_CIPHER_CTX_set_padding(run.get(), 0);  // ESP pads itself
    return run;
  }

  Code gcm(const KeyBlock& keys, const Packet& packet) const;
  Code cbc_sha256(const KeyBlock& keys, const Packet& packet) const;
  bool cbc(const KeyBlock& keys, const Packet& packet) const;
  bool icv(const KeyBlock& keys, const std::uint8_t* esp, const Packet& packet,
           std::uint8_t (&digest)[32]) const;
};

// The tag is known last: what was decrypted on the way is wiped if it is wrong.
Code Firmware::Algorithms::gcm(const KeyBlock& keys, const Packet& packet) const {
  constexpr std::uint32_t start = kHeader + kGcmIv;
  const std::uint32_t size = packet.icv_offset - start;
  std::uint8_t nonce[12];
  std::memcpy(nonce, keys.salt, 4);
  std::memcpy(nonce + 4, packet.from + kHeader, kGcmIv);
  std::uint8_t aad[12];  // SPI, high bits if there are any, low bits
  std::memcpy(aad, packet.from, kHeader);
  if (keys.esn) {
    std::memcpy(aad + 8, packet.from + 4, 4);
    store_be32(aad + 4, packet.seq_hi);
  }
  std::uint8_t tag[kIcv];
  std::memcpy(tag, packet.from + packet.icv_offset, kIcv);

  const CipherRun run = keyed(keys, nonce);
  if (!run) return Code::failed;
  if (packet.to != packet.from) std::memcpy(packet.to, packet.from, start);
  int written = 0;
  const bool ready =
      (!keys.inbound || EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_SET_TAG, kIcv, tag) == 1) &&
      update(run.get(), nullptr, aad, keys.esn ? 12 : 8) &&
      update(run.get(), packet.to + start, packet.from + start, size);
  const bool whole = ready && EVP_CipherFinal_ex(run.get(), tag, &written) == 1;
  if (whole && keys.inbound) return Code::done;
  if (whole && EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_GET_TAG, kIcv,
                                   packet.to + packet.icv_offset) == 1)
    return Code::done;
  OPENSSL_cleanse(packet.to + start, size);
  return ready && keys.inbound ? Code::bad_icv : Code::failed;
}

// Nothing is decrypted before the ICV is known to be right.
Code Firmware::Algorithms::cbc_sha256(const KeyBlock& keys, const Packet& packet) const {
  std::uint8_t digest[32];
  if (keys.inbound) {
    if (!icv(keys, packet.from, packet, digest)) return Code::failed;
    if (CRYPTO_memcmp(digest, packet.from + packet.icv_offset, kIcv) != 0) return Code::bad_icv;
  }
  if (packet.to != packet.from) std::memcpy(packet.to, packet.from, kHeader + kCbcIv);
  if (!cbc(keys, packet)) return Code::failed;
  if (keys.inbound) return Code::done;
  if (!icv(keys, packet.to, packet, digest)) return Code::failed;
  std::memcpy(packet.to + packet.icv_offset, digest, kIcv);
  return Code::done;
}

bool Firmware::Algorithms::cbc(const KeyBlock& keys, const Packet& packet) const {
  constexpr std::uint32_t start = kHeader + kCbcIv;
  const CipherRun run = keyed(keys, packet.from + kHeader);
  return run &&
         update(run.get(), packet.to + start, packet.from + start, packet.icv_offset - start);
}

// Over header, IV and ciphertext, and the high sequence bits if the SA has them (RFC 4303 2.2.1).
bool Firmware::Algorithms::icv(const KeyBlock& keys, const std::uint8_t* esp, const Packet& packet,
                               std::uint8_t (&digest)[32]) const {
  char sha256[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
      OSSL_PARAM_construct_end()};
  std::uint8_t high[4];
  store_be32(high, packet.seq_hi);
  const MacRun run(EVP_MAC_CTX_new(hmac.get()));
  std::size_t size = 0;
  return run &&
         EVP_MAC_init(run.get(), keys.integrity_key, sizeof keys.integrity_key, parameters) == 1 &&
         EVP_MAC_update(run.get(), esp, packet.icv_offset) == 1 &&
         (!keys.esn || EVP_MAC_update(run.get(), high, sizeof high) == 1) &&
         EVP_MAC_final(run.get(), digest, &size, sizeof digest) == 1;
}

Firmware::Firmware() : algorithms_(std::make_unique<Algorithms>()) {}
Firmware::~Firmware() = default;

Code Firmware::run(const KeyBlock& keys, const Packet& packet) noexcept {
  const Code code = keys.suite == Suite::gcm ? algorithms_->gcm(keys, packet)
                                             : algorithms_->cbc_sha256(keys, packet);
  if (code != Code::done) ERR_clear_error();
  wipe_dead_stack();
  return code;
}

}  // namespace card
