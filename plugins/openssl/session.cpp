// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <string>

#include "aead_session.hpp"
#include "hmac_session.hpp"

namespace espalier::openssl {
namespace {

using sdk::Refusal;
using sdk::Result;

Refusal not_here(const char* what) {
  return {ESPALIER_UNSUPPORTED,
          std::string("this OpenSSL does not do the ") + what + " of the session: " + last_words()};
}

Result<CipherContext> keyed_cipher(const Library& library, const espalier_session_params& p,
                                   const sdk::EspShape& shape) {
  const auto algorithm = library.cipher(p.cipher, p.cipher_key.size);
  if (!algorithm) return not_here("cipher");
  CipherContext context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex2(context.get(), algorithm.get(), p.cipher_key.data, nullptr,
                                     shape.inbound ? 0 : 1, nullptr) != 1)
    return not_here("cipher");
  EVP_CIPHER_CTX_set_padding(context.get(), 0);  // ESP pads itself
  return context;
}

Result<std::unique_ptr<Session>> open_aead(const Library& library, const espalier_session_params& p,
                                           const sdk::EspShape& shape) {
  auto cipher = keyed_cipher(library, p, shape);
  if (!cipher) return cipher.refusal();
  return std::unique_ptr<Session>(std::make_unique<AeadSession>(
      std::move(*cipher), shape, p.cipher == ESPALIER_CIPHER_AES_GMAC, p.salt.data));
}

Result<std::unique_ptr<Session>> open_hmac(const Library& library, const espalier_session_params& p,
                                           const sdk::EspShape& shape) {
  CipherContext context;
  if (p.cipher != ESPALIER_CIPHER_NULL) {
    auto cipher = keyed_cipher(library, p, shape);
    if (!cipher) return cipher.refusal();
    context = std::move(*cipher);
  }
  auto hmac = make_hmac(p.integrity, {p.integrity_key.data, p.integrity_key.size});
  if (!hmac) return not_here("HMAC");
  return std::unique_ptr<Session>(
      std::make_unique<HmacSession>(std::move(context), std::move(hmac), shape, p.salt));
}

}  // namespace

Result<std::unique_ptr<Session>> open_session(const Library& library,
                                              const espalier_session_params& params) {
  auto shape = sdk::shape_of(params);
  if (!shape) return shape.refusal();
  return params.integrity == ESPALIER_INTEGRITY_NONE ? open_aead(library, params, *shape)
                                                     : open_hmac(library, params, *shape);
}

}  // namespace espalier::openssl
