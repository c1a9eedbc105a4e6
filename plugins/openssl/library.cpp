// SPDX-License-Identifier: Apache-2.0
#include "library.hpp"

#include <espalier/abi.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdexcept>
#include <string>

namespace espalier::openssl {
namespace {

std::string cipher_name(std::uint16_t cipher, std::uint64_t key_bytes) {
  const auto aes = "AES-" + std::to_string(8 * key_bytes);
  switch (cipher) {
    case ESPALIER_CIPHER_AES_CBC:
      return aes + "-CBC";
    case ESPALIER_CIPHER_AES_CTR:
      return aes + "-CTR";
    case ESPALIER_CIPHER_AES_GCM:
    case ESPALIER_CIPHER_AES_GMAC:
      return aes + "-GCM";
    case ESPALIER_CIPHER_3DES_CBC:
      return "DES-EDE3-CBC";
    case ESPALIER_CIPHER_CHACHA20_POLY1305:
      return "ChaCha20-Poly1305";
    default:
      return {};
  }
}

}  // namespace

Library::Library() : context_(OSSL_LIB_CTX_new()) {
  if (!context_) throw std::runtime_error("OpenSSL could not make a library context");
}

CipherAlgorithm Library::cipher(std::uint16_t cipher, std::uint64_t key_bytes) const {
  const auto name = cipher_name(cipher, key_bytes);
  if (name.empty()) return {};
  return CipherAlgorithm(EVP_CIPHER_fetch(context_.get(), name.c_str(), nullptr));
}

const char* last_words() noexcept {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace espalier::openssl
