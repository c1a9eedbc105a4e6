// SPDX-License-Identifier: Apache-2.0
#include "library.hpp"

#include <espalier/abi.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

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

const char* hash_name(std::uint16_t integrity) noexcept {
  switch (integrity) {
    case ESPALIER_INTEGRITY_HMAC_MD5:
      return "MD5";
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return "SHA1";
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return "SHA2-256";
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return "SHA2-384";
    case ESPALIER_INTEGRITY_HMAC_SHA512:
      return "SHA2-512";
    default:
      return nullptr;
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

MacContext Library::hmac(std::uint16_t integrity, const std::uint8_t* key,
                         std::uint64_t size) const {
  const char* hash = hash_name(integrity);
  if (hash == nullptr) return {};
  const MacAlgorithm algorithm(EVP_MAC_fetch(context_.get(), "HMAC", nullptr));
  if (!algorithm) return {};
  MacContext mac(EVP_MAC_CTX_new(algorithm.get()));
  std::string digest(hash);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (!mac || EVP_MAC_init(mac.get(), key, size, params) != 1) return {};
  return mac;
}

const char* last_words() noexcept {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace espalier::openssl
