// SPDX-License-Identifier: Apache-2.0
#include "aead_session.hpp"

#include <openssl/err.h>

#include <climits>
#include <cstring>

namespace espalier::openssl {
namespace {

bool update(EVP_CIPHER_CTX* context, std::uint8_t* out, const std::uint8_t* in,
            std::uint32_t size) noexcept {
  int written = 0;
  return size == 0 || EVP_CipherUpdate(context, out, &written, in, static_cast<int>(size)) == 1;
}

}  // namespace

AeadSession::AeadSession(CipherContext context, const sdk::EspShape& shape, bool only_authenticate,
                         const std::uint8_t* salt) noexcept
    : context_(std::move(context)), shape_(shape), only_authenticate_(only_authenticate) {
  std::memcpy(salt_.data(), salt, salt_.size());
}

AeadSession::~AeadSession() { sdk::wipe(salt_.data(), salt_.size()); }

std::uint16_t AeadSession::run(const espalier_op& op) noexcept {
  if (!sdk::fits(shape_, op) || op.length > INT_MAX) return ESPALIER_OP_FAILED;
  std::uint8_t* const out = sdk::target(op);
  if (!sdk::in_place(op))
    std::memcpy(out, op.esp, only_authenticate_ ? op.icv_offset : shape_.payload_offset());

  const bool begun = start(op) && authenticate(op) && transform(op);
  const bool verified = begun && finish(op);
  if (verified) return ESPALIER_OP_DONE;
  ERR_clear_error();
  sdk::wipe(out + shape_.payload_offset(), op.icv_offset - shape_.payload_offset());
  return begun && shape_.inbound ? ESPALIER_OP_BAD_ICV : ESPALIER_OP_FAILED;
}

bool AeadSession::start(const espalier_op& op) noexcept {
  std::uint8_t nonce[sdk::kAeadNonce];
  std::memcpy(nonce, salt_.data(), salt_.size());
  std::memcpy(nonce + sdk::kSalt, op.esp + sdk::kEspHeader, sdk::kAeadIv);
  if (EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, nonce, -1, nullptr) != 1) return false;
  if (!shape_.inbound) return true;
  return EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG,
                             static_cast<int>(shape_.icv_bytes), op.esp + op.icv_offset) == 1;
}

bool AeadSession::authenticate(const espalier_op& op) noexcept {
  if (!shape_.esn) return update(context_.get(), nullptr, op.esp, sdk::kEspHeader);
  std::uint8_t aad[12];
  sdk::write_esn_aad(aad, op);
  return update(context_.get(), nullptr, aad, sizeof aad);
}

bool AeadSession::transform(const espalier_op& op) noexcept {
  if (only_authenticate_) {  // RFC 4543: the AAD goes on over IV and payload
    return update(context_.get(), nullptr, op.esp + sdk::kEspHeader,
                  op.icv_offset - sdk::kEspHeader);
  }
  const auto offset = shape_.payload_offset();
  return update(context_.get(), sdk::target(op) + offset, op.esp + offset, op.icv_offset - offset);
}

bool AeadSession::finish(const espalier_op& op) noexcept {
  std::uint8_t none[16];
  int written = 0;
  if (EVP_CipherFinal_ex(context_.get(), none, &written) != 1) return false;
  if (shape_.inbound) return true;
  return EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG,
                             static_cast<int>(shape_.icv_bytes),
                             sdk::target(op) + op.icv_offset) == 1;
}

}  // namespace espalier::openssl
