// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/esp_op.hpp>

#include <intel-ipsec-mb.h>

#include <cstdint>

#include "manager.hpp"

namespace espalier::aesni {

enum class Kind : std::uint8_t { gcm, gmac, chacha20, hmac };

// A keyed, immutable transform, in one piece of the host's secret memory together with its expanded
// keys. Written by the control thread at open and close, read by queues in between.
struct Session {
  Kind kind;
  sdk::EspShape shape;
  std::uint32_t salt = 0;  // as in memory; 0 where there is none
  void* memory = nullptr;  // what the host gave: this object lies in it, aligned
  std::uint64_t memory_size = 0;
};

// AES-GCM and AES-GMAC. The functions belong to the code path that also laid out the hash keys.
struct GcmSession : Session {
  aes_gcm_enc_dec_t crypt;  // in the session's direction; for GMAC the one that encrypts
  aes_gmac_init_t gmac_init;
  aes_gmac_update_t gmac_update;
  aes_gmac_finalize_t gmac_finalize;
  alignas(64) gcm_key_data keys;
};

struct ChachaSession : Session {
  alignas(64) std::uint8_t key[32];
};

// Groups of packets that can share lanes: one mode and key length, one hash.
enum class CipherGroup : std::uint8_t {
  null,
  cbc128,
  cbc192,
  cbc256,
  ctr128,
  ctr192,
  ctr256,
  des3
};
enum class HashGroup : std::uint8_t { md5, sha1, sha256, sha384, sha512 };

struct HmacSession : Session {
  CipherGroup cipher;
  HashGroup hash;
  const void* keys = nullptr;  // what ipsec-mb is given: round_keys, or a Des3Session's schedules
  alignas(64) std::uint8_t round_keys[15 * 16];  // for CBC inbound those that decrypt
  alignas(16) std::uint8_t ipad[64];             // hash states after the padded key
  alignas(16) std::uint8_t opad[64];
};

struct Des3Session : HmacSession {
  std::uint64_t schedules[3][IMB_DES_KEY_SCHED_SIZE / 8];
  const void* order[3];
};

// Opens and closes sessions. The manager gives the functions that expand keys and, for GCM, those
// that run; it outlives the sessions. [control]
class SessionFactory {
 public:
  SessionFactory(const espalier_host& host, IMB_MGR& manager, Path path) noexcept
      : host_(host), manager_(manager), path_(path) {}

  sdk::Result<Session*> open(const espalier_session_params& params);
  void close(Session* session) noexcept;  // wipes

 private:
  template <class T>
  T* make(Kind kind, const espalier_session_params& params, const sdk::EspShape& shape);

  sdk::Result<Session*> open_hmac(const espalier_session_params& params,
                                  const sdk::EspShape& shape);

  const espalier_host& host_;
  IMB_MGR& manager_;
  Path path_;
};

}  // namespace espalier::aesni
