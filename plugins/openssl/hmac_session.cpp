// SPDX-License-Identifier: Apache-2.0
#include "hmac_session.hpp"

#include <openssl/err.h>

#include <climits>
#include <cstring>

namespace espalier::openssl {

HmacSession::HmacSession(CipherContext cipher, std::unique_ptr<Hmac> hmac,
                         const sdk::EspShape& shape, espalier_bytes salt) noexcept
    : cipher_(std::move(cipher)),
      hmac_(std::move(hmac)),
      shape_(shape),
      counter_mode_(salt.size != 0) {
  if (counter_mode_) std::memcpy(salt_.data(), salt.data, salt_.size());
}

HmacSession::~HmacSession() {
  sdk::wipe(salt_.data(), salt_.size());
  sdk::wipe(digest_.data(), digest_.size());
}

std::uint16_t HmacSession::run(const espalier_op& op) noexcept {
  if (!sdk::fits(shape_, op) || op.length > INT_MAX) return ESPALIER_OP_FAILED;
  const auto status = shape_.inbound ? open(op) : seal(op);
  if (status != ESPALIER_OP_DONE) ERR_clear_error();
  return status;
}

std::uint16_t HmacSession::seal(const espalier_op& op) noexcept {
  std::uint8_t* const out = sdk::target(op);
  if (!sdk::in_place(op)) std::memcpy(out, op.esp, shape_.payload_offset());
  if (!transform(op)) return ESPALIER_OP_FAILED;
  authenticate(out, op);
  std::memcpy(out + op.icv_offset, digest_.data(), shape_.icv_bytes);
  return ESPALIER_OP_DONE;
}

std::uint16_t HmacSession::open(const espalier_op& op) noexcept {
  authenticate(op.esp, op);
  const auto offset = shape_.payload_offset();
  if (!sdk::equal_in_constant_time(digest_.data(), op.esp + op.icv_offset, shape_.icv_bytes)) {
    // Only with the NULL cipher are the bytes that came in already plaintext.
    if (!cipher_ && sdk::in_place(op)) sdk::wipe(op.esp + offset, op.icv_offset - offset);
    return ESPALIER_OP_BAD_ICV;
  }
  if (!sdk::in_place(op)) std::memcpy(op.dst, op.esp, offset);
  return transform(op) ? ESPALIER_OP_DONE : ESPALIER_OP_FAILED;
}

bool HmacSession::transform(const espalier_op& op) noexcept {
  const auto offset = shape_.payload_offset();
  const auto size = op.icv_offset - offset;
  std::uint8_t* const out = sdk::target(op) + offset;
  if (!cipher_) {
    if (!sdk::in_place(op)) std::memcpy(out, op.esp + offset, size);
    return true;
  }
  if (size == 0) return true;
  std::uint8_t counter[16];  // nonce, IV, block counter from 1
  const std::uint8_t* iv = op.esp + sdk::kEspHeader;
  if (counter_mode_) {
    std::memcpy(counter, salt_.data(), sdk::kSalt);
    std::memcpy(counter + sdk::kSalt, iv, sdk::kAeadIv);
    sdk::store_be32(counter + sdk::kAeadNonce, 1);
    iv = counter;
  }
  int written = 0;
  return EVP_CipherInit_ex2(cipher_.get(), nullptr, nullptr, iv, -1, nullptr) == 1 &&
         EVP_CipherUpdate(cipher_.get(), out, &written, op.esp + offset, static_cast<int>(size)) ==
             1 &&
         static_cast<std::uint32_t>(written) == size;
}

void HmacSession::authenticate(const std::uint8_t* packet, const espalier_op& op) noexcept {
  std::uint8_t high[4];
  sdk::store_be32(high, op.seq_hi);
  const std::span rest(high, shape_.esn ? sizeof high : 0);
  hmac_->compute({packet, op.icv_offset}, rest, digest_);
}

}  // namespace espalier::openssl
