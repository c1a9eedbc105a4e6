// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hmac.hpp"
#include "session.hpp"

namespace espalier::openssl {

// NULL, AES-CBC, AES-CTR (RFC 3686) or 3DES-CBC, then a truncated HMAC over header, IV and
// ciphertext, and with ESN the high sequence bits (RFC 4303 2.2.1).
class HmacSession final : public Session {
 public:
  // No cipher context: the NULL cipher. No salt: the IV on the wire is the cipher's own.
  HmacSession(CipherContext cipher, std::unique_ptr<Hmac> hmac, const sdk::EspShape& shape,
              espalier_bytes salt) noexcept;
  ~HmacSession() override;

  std::uint16_t run(const espalier_op& op) noexcept override;

 private:
  std::uint16_t seal(const espalier_op& op) noexcept;
  std::uint16_t open(const espalier_op& op) noexcept;
  bool transform(const espalier_op& op) noexcept;
  void authenticate(const std::uint8_t* packet, const espalier_op& op) noexcept;

  CipherContext cipher_;
  std::unique_ptr<Hmac> hmac_;
  sdk::EspShape shape_;
  bool counter_mode_;
  std::array<std::uint8_t, sdk::kSalt> salt_{};
  std::array<std::uint8_t, Hmac::kMaxDigest> digest_{};
};

}  // namespace espalier::openssl
