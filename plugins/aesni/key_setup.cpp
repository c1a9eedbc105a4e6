// SPDX-License-Identifier: Apache-2.0
#include "key_setup.hpp"

#include <array>
#include <cstring>

namespace espalier::aesni {
namespace {

struct HashFunctions {
  HashGroup group;
  std::size_t block;
  hash_one_block_t one_block;
  hash_fn_t whole;
};

HashFunctions hash_functions(const IMB_MGR& m, std::uint16_t integrity) noexcept {
  switch (integrity) {
    case ESPALIER_INTEGRITY_HMAC_MD5:
      return {HashGroup::md5, kMaxMd5Key, m.md5_one_block, nullptr};
    case ESPALIER_INTEGRITY_HMAC_SHA1:
      return {HashGroup::sha1, IMB_SHA1_BLOCK_SIZE, m.sha1_one_block, m.sha1};
    case ESPALIER_INTEGRITY_HMAC_SHA256:
      return {HashGroup::sha256, IMB_SHA_256_BLOCK_SIZE, m.sha256_one_block, m.sha256};
    case ESPALIER_INTEGRITY_HMAC_SHA384:
      return {HashGroup::sha384, IMB_SHA_384_BLOCK_SIZE, m.sha384_one_block, m.sha384};
    default:
      return {HashGroup::sha512, IMB_SHA_512_BLOCK_SIZE, m.sha512_one_block, m.sha512};
  }
}

CipherGroup cipher_group(std::uint16_t cipher, std::uint64_t key_bytes) noexcept {
  if (cipher == ESPALIER_CIPHER_NULL) return CipherGroup::null;
  const bool cbc = cipher == ESPALIER_CIPHER_AES_CBC;
  switch (key_bytes) {
    case 16:
      return cbc ? CipherGroup::cbc128 : CipherGroup::ctr128;
    case 24:
      return cbc ? CipherGroup::cbc192 : CipherGroup::ctr192;
    default:
      return cbc ? CipherGroup::cbc256 : CipherGroup::ctr256;
  }
}

}  // namespace

void set_up_gcm(IMB_MGR& m, espalier_bytes key, GcmSession& session) {
  const bool decrypt = session.kind == Kind::gcm && session.shape.inbound;
  switch (key.size) {
    case 16:
      m.gcm128_pre(key.data, &session.keys);
      session.crypt = decrypt ? m.gcm128_dec : m.gcm128_enc;
      session.gmac_init = m.gmac128_init;
      session.gmac_update = m.gmac128_update;
      session.gmac_finalize = m.gmac128_finalize;
      break;
    case 24:
      m.gcm192_pre(key.data, &session.keys);
      session.crypt = decrypt ? m.gcm192_dec : m.gcm192_enc;
      session.gmac_init = m.gmac192_init;
      session.gmac_update = m.gmac192_update;
      session.gmac_finalize = m.gmac192_finalize;
      break;
    default:
      m.gcm256_pre(key.data, &session.keys);
      session.crypt = decrypt ? m.gcm256_dec : m.gcm256_enc;
      session.gmac_init = m.gmac256_init;
      session.gmac_update = m.gmac256_update;
      session.gmac_finalize = m.gmac256_finalize;
      break;
  }
}

void set_up_aes(IMB_MGR& m, const espalier_session_params& params, HmacSession& session) {
  session.cipher = cipher_group(params.cipher, params.cipher_key.size);
  if (session.cipher == CipherGroup::null) return;
  session.keys = session.round_keys;
  alignas(64) std::array<std::uint8_t, sizeof session.round_keys> unused;
  const bool decrypt = params.cipher == ESPALIER_CIPHER_AES_CBC && session.shape.inbound;
  void* const encryption = decrypt ? unused.data() : session.round_keys;
  void* const decryption = decrypt ? session.round_keys : unused.data();
  switch (params.cipher_key.size) {
    case 16:
      m.keyexp_128(params.cipher_key.data, encryption, decryption);
      break;
    case 24:
      m.keyexp_192(params.cipher_key.data, encryption, decryption);
      break;
    default:
      m.keyexp_256(params.cipher_key.data, encryption, decryption);
      break;
  }
  sdk::wipe(unused.data(), unused.size());
}

void set_up_3des(espalier_bytes key, Des3Session& session) {
  session.cipher = CipherGroup::des3;
  for (std::size_t i = 0; i < 3; ++i) {
    des_key_schedule(session.schedules[i], key.data + i * IMB_DES_BLOCK_SIZE);
    session.order[i] = session.schedules[i];
  }
  session.keys = session.order;
}

void set_up_hmac(IMB_MGR& m, const espalier_session_params& params, HmacSession& session) {
  const auto hash = hash_functions(m, params.integrity);
  const auto& given = params.integrity_key;
  session.hash = hash.group;
  std::array<std::uint8_t, IMB_SHA_512_BLOCK_SIZE> key{};  // RFC 2104: hashed if too long
  if (given.size > hash.block) {
    hash.whole(given.data, given.size, key.data());
  } else {
    std::memcpy(key.data(), given.data, given.size);
  }
  const auto state_after = [&](std::uint8_t pad, std::uint8_t* state) {
    std::array<std::uint8_t, IMB_SHA_512_BLOCK_SIZE> block;
    for (std::size_t i = 0; i < block.size(); ++i)
      block[i] = static_cast<std::uint8_t>(key[i] ^ pad);
    hash.one_block(block.data(), state);
    sdk::wipe(block.data(), block.size());
  };
  state_after(0x36, session.ipad);
  state_after(0x5c, session.opad);
  sdk::wipe(key.data(), key.size());
}

}  // namespace espalier::aesni
