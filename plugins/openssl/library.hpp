// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>

namespace espalier::openssl {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using LibraryContext = std::unique_ptr<OSSL_LIB_CTX, Freed<OSSL_LIB_CTX_free>>;
using CipherAlgorithm = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

// OpenSSL as this backend uses it: a library context of its own, so that neither openssl.cnf nor
// another user of libcrypto in the process changes what is fetched. Thread-safe.
class Library {
 public:
  Library();  // throws when OpenSSL cannot start

  // The cipher of abi.h with a key of that many bytes; empty when this OpenSSL does not have it.
  CipherAlgorithm cipher(std::uint16_t cipher, std::uint64_t key_bytes) const;

 private:
  LibraryContext context_;
};

// What OpenSSL last complained of in this thread, for a person; clears it.
const char* last_words() noexcept;

}  // namespace espalier::openssl
