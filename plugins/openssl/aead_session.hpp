// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "session.hpp"

namespace espalier::openssl {

// AES-GCM (RFC 4106), AES-GMAC (RFC 4543) and ChaCha20-Poly1305 (RFC 7634).
class AeadSession final : public Session {
 public:
  AeadSession(CipherContext context, const sdk::EspShape& shape, bool only_authenticate,
              const std::uint8_t* salt) noexcept;
  ~AeadSession() override;

  std::uint16_t run(const espalier_op& op) noexcept override;

 private:
  bool start(const espalier_op& op) noexcept;
  bool authenticate(const espalier_op& op) noexcept;
  bool transform(const espalier_op& op) noexcept;
  bool finish(const espalier_op& op) noexcept;

  CipherContext context_;
  sdk::EspShape shape_;
  bool only_authenticate_;
  std::array<std::uint8_t, sdk::kSalt> salt_;
};

}  // namespace espalier::openssl
