// SPDX-License-Identifier: Apache-2.0
//
// An ESP receiver of its own, straight over OpenSSL and RFC 4106, to judge the engine by. It has
// nothing in common with the engine or the backends but the standard.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <openssl/evp.h>

namespace espalier::test {

// What an SA's keys are, in the clear: tests only.
struct PlainKeys {
  std::array<std::uint8_t, 32> key{};
  std::array<std::uint8_t, 4> salt{};
};

// AES-256-GCM with a 16-byte ICV, extended sequence numbers below 2^32.
class EspOracle {
 public:
  explicit EspOracle(const PlainKeys& keys) : keys_(keys) {}

  struct Opened {
    std::uint64_t sequence = 0;
    std::vector<std::uint8_t> inner;  // without padding and trailer
  };

  // The inner packet, or nothing if the packet is not authentic or its trailer is not right.
  std::optional<Opened> open(std::span<const std::uint8_t> esp) const {
    if (esp.size() < kHeader + kIv + kIcv + 2) return std::nullopt;
    const auto body = esp.subspan(kHeader + kIv, esp.size() - kHeader - kIv - kIcv);
    const auto icv = esp.last(kIcv);
    // SPI, high and low sequence bits.
    std::array<std::uint8_t, 12> aad{esp[0], esp[1], esp[2], esp[3], 0,      0,
                                     0,      0,      esp[4], esp[5], esp[6], esp[7]};
    std::array<std::uint8_t, 12> nonce{};
    std::copy(keys_.salt.begin(), keys_.salt.end(), nonce.begin());
    std::copy_n(esp.begin() + kHeader, kIv, nonce.begin() + 4);

    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    Opened opened;
    opened.inner.resize(body.size());
    int n = 0;
    std::array<std::uint8_t, kIcv> tag;
    std::copy(icv.begin(), icv.end(), tag.begin());
    const bool authentic =
        EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, keys_.key.data(),
                           nonce.data()) == 1 &&
        EVP_DecryptUpdate(context.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size())) ==
            1 &&
        EVP_DecryptUpdate(context.get(), opened.inner.data(), &n, body.data(),
                          static_cast<int>(body.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kIcv, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(context.get(), nullptr, &n) == 1;
    if (!authentic) return std::nullopt;
    const std::size_t padding = opened.inner[opened.inner.size() - 2];
    if (padding + 2 > opened.inner.size()) return std::nullopt;
    opened.inner.resize(opened.inner.size() - 2 - padding);
    for (int i = 4; i < 8; ++i)
      opened.sequence = opened.sequence << 8 | esp[static_cast<std::size_t>(i)];
    return opened;
  }

 private:
  static constexpr std::size_t kHeader = 8, kIv = 8, kIcv = 16;
  PlainKeys keys_;
};

}  // namespace espalier::test
