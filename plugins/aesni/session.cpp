// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <cstring>
#include <new>

#include "capabilities.hpp"
#include "key_setup.hpp"

namespace espalier::aesni {
namespace {

using sdk::Refusal;

constexpr std::size_t kAlignment = 64;

Refusal no_memory() {
  return {ESPALIER_CAPACITY,
          "no locked memory is left for the keys of another session: raise RLIMIT_MEMLOCK"};
}

Refusal left_to_openssl(const char* what) {
  return {ESPALIER_UNSUPPORTED, std::string(what) + ": the openssl backend does it"};
}

}  // namespace

template <class T>
T* SessionFactory::make(Kind kind, const espalier_session_params& params,
                        const sdk::EspShape& shape) {
  const std::uint64_t size = sizeof(T) + kAlignment;
  void* const memory = host_.secret_alloc(host_.context, size);
  if (memory == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const auto aligned = (address + kAlignment - 1) / kAlignment * kAlignment;
  T* session = new (reinterpret_cast<void*>(aligned)) T{};
  session->kind = kind;
  session->shape = shape;
  if (params.salt.size == sdk::kSalt) std::memcpy(&session->salt, params.salt.data, sdk::kSalt);
  session->memory = memory;
  session->memory_size = size;
  return session;
}

sdk::Result<Session*> SessionFactory::open(const espalier_session_params& params) {
  auto shape = sdk::shape_of(params);
  if (!shape) return shape.refusal();
  switch (params.cipher) {
    case ESPALIER_CIPHER_AES_GCM:
    case ESPALIER_CIPHER_AES_GMAC: {
      const bool gmac = params.cipher == ESPALIER_CIPHER_AES_GMAC;
      auto* session = make<GcmSession>(gmac ? Kind::gmac : Kind::gcm, params, *shape);
      if (session == nullptr) return no_memory();
      set_up_gcm(manager_, params.cipher_key, *session);
      return static_cast<Session*>(session);
    }
    case ESPALIER_CIPHER_CHACHA20_POLY1305: {
      auto* session = make<ChachaSession>(Kind::chacha20, params, *shape);
      if (session == nullptr) return no_memory();
      std::memcpy(session->key, params.cipher_key.data, sizeof session->key);
      return static_cast<Session*>(session);
    }
    default:
      return open_hmac(params, *shape);
  }
}

sdk::Result<Session*> SessionFactory::open_hmac(const espalier_session_params& params,
                                                const sdk::EspShape& shape) {
  if (!does(path_, params.cipher, params.integrity))
    return left_to_openssl("the aesni backend is not faster than OpenSSL at this on this CPU");
  if (params.integrity == ESPALIER_INTEGRITY_HMAC_MD5 && params.integrity_key.size > kMaxMd5Key)
    return left_to_openssl("the aesni backend does HMAC-MD5 with keys of at most 64 bytes only");
  HmacSession* session = nullptr;
  if (params.cipher == ESPALIER_CIPHER_3DES_CBC) {
    auto* const des3 = make<Des3Session>(Kind::hmac, params, shape);
    if (des3 != nullptr) set_up_3des(params.cipher_key, *des3);
    session = des3;
  } else {
    session = make<HmacSession>(Kind::hmac, params, shape);
    if (session != nullptr) set_up_aes(manager_, params, *session);
  }
  if (session == nullptr) return no_memory();
  set_up_hmac(manager_, params, *session);
  return static_cast<Session*>(session);
}

void SessionFactory::close(Session* session) noexcept {
  if (session == nullptr) return;
  void* const memory = session->memory;
  const auto size = session->memory_size;
  sdk::wipe(memory, size);
  host_.secret_free(host_.context, memory, size);
}

}  // namespace espalier::aesni
