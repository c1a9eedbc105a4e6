// SPDX-License-Identifier: Apache-2.0
#include "esp/iv_source.hpp"

#include <espalier/secret.hpp>

#include <openssl/evp.h>
#include <sys/random.h>

#include <cstdlib>
#include <cstring>

namespace espalier::esp {

void IvSource::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

IvSource::IvSource() = default;
IvSource::IvSource(IvSource&&) noexcept = default;
IvSource& IvSource::operator=(IvSource&&) noexcept = default;
IvSource::~IvSource() { wipe(block_.data(), block_.size()); }

Result<IvSource> IvSource::create() {
  IvSource source;
  source.context_.reset(EVP_CIPHER_CTX_new());
  if (getrandom(source.block_.data(), kKey, 0) != ssize_t{kKey}) {
    return fail(ErrorCode::io, "the system gave no random bytes for IVs (getrandom failed)");
  }
  if (!source.context_ || EVP_EncryptInit_ex(source.context_.get(), EVP_chacha20(), nullptr,
                                             source.block_.data(), nullptr) != 1) {
    return fail(ErrorCode::unsupported,
                "OpenSSL has no ChaCha20 here, which Espalier makes CBC IVs with; enable "
                "OpenSSL's default provider");
  }
  return source;
}

void IvSource::refill() noexcept {
  static constexpr std::array<std::uint8_t, 16> kNonce{};
  int written = 0;
  std::array<std::uint8_t, kKey> key;
  std::memcpy(key.data(), block_.data(), kKey);
  std::memset(block_.data(), 0, block_.size());
  if (EVP_EncryptInit_ex(context_.get(), nullptr, nullptr, key.data(), kNonce.data()) != 1 ||
      EVP_EncryptUpdate(context_.get(), block_.data(), &written, block_.data(),
                        static_cast<int>(block_.size())) != 1) {
    std::abort();  // going on would send predictable IVs
  }
  wipe(key.data(), key.size());
  used_ = kKey;
}

void IvSource::fill(std::uint8_t* iv, std::size_t size) noexcept {
  if (used_ + size > block_.size()) refill();
  std::memcpy(iv, block_.data() + used_, size);
  std::memset(block_.data() + used_, 0, size);
  used_ += size;
}

}  // namespace espalier::esp
