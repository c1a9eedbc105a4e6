// SPDX-License-Identifier: Apache-2.0
//
// Built with OPENSSL_SUPPRESS_DEPRECATED, for the reason in the header.
#include "hmac.hpp"

#include <espalier/esp_op.hpp>

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace espalier::openssl {
namespace {

template <class State, int (*Init)(State*), int (*Update)(State*, const void*, std::size_t),
          int (*Final)(unsigned char*, State*), std::size_t Block, std::size_t Digest>
class KeyedHmac final : public Hmac {
 public:
  explicit KeyedHmac(std::span<const std::uint8_t> key) noexcept {
    std::array<std::uint8_t, Block> padded{};
    if (key.size() > Block) {
      Init(&running_);
      Update(&running_, key.data(), key.size());
      Final(padded.data(), &running_);
    } else {
      std::ranges::copy(key, padded.begin());
    }
    start_from(inner_, padded, 0x36);
    start_from(outer_, padded, 0x5c);
    sdk::wipe(padded.data(), padded.size());
  }
  ~KeyedHmac() override {
    for (State* state : {&inner_, &outer_, &running_}) sdk::wipe(state, sizeof *state);
  }

  void compute(std::span<const std::uint8_t> message, std::span<const std::uint8_t> rest,
               std::span<std::uint8_t, kMaxDigest> digest) noexcept override {
    static_assert(Digest <= kMaxDigest);
    running_ = inner_;
    Update(&running_, message.data(), message.size());
    if (!rest.empty()) Update(&running_, rest.data(), rest.size());
    Final(digest.data(), &running_);
    running_ = outer_;
    Update(&running_, digest.data(), Digest);
    Final(digest.data(), &running_);
  }

 private:
  static void start_from(State& state, std::array<std::uint8_t, Block> padded,
                         std::uint8_t pad) noexcept {
    for (std::uint8_t& byte : padded) byte ^= pad;
    Init(&state);
    Update(&state, padded.data(), padded.size());
    sdk::wipe(padded.data(), padded.size());
  }

  State inner_, outer_, running_;
};

}  // namespace

std::unique_ptr<Hmac> make_hmac(std::uint16_t integrity, std::span<const std::uint8_t> key) {
  switch (integrity) {
#ifndef OPENSSL_NO_MD5
    case ESPALIER_INTEGRITY_HMAC_MD5:
      return std::make_unique<
          KeyedHmac<MD5_CTX, MD5_Init, MD5_Update, MD5_Final, MD5_CBLOCK, MD5_DIGEST_LENGTH>>(key);
#endif
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return std::make_unique<
          KeyedHmac<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final, SHA_CBLOCK, SHA_DIGEST_LENGTH>>(
          key);
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return std::make_unique<KeyedHmac<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final,
                                        SHA256_CBLOCK, SHA256_DIGEST_LENGTH>>(key);
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return std::make_unique<KeyedHmac<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final,
                                        SHA512_CBLOCK, SHA384_DIGEST_LENGTH>>(key);
    case ESPALIER_INTEGRITY_HMAC_SHA512:
      return std::make_unique<KeyedHmac<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final,
                                        SHA512_CBLOCK, SHA512_DIGEST_LENGTH>>(key);
    default:
      return {};
  }
}

}  // namespace espalier::openssl
