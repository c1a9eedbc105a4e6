// SPDX-License-Identifier: Apache-2.0
//
// Published vectors, through the ESP op, for every backend and code path. What is only a primitive
// is wrapped so that the op exercises it: a cipher gets an HMAC behind it, an HMAC a NULL cipher.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <functional>
#include <map>
#include <string>

#include "harness.hpp"
#include "vectors.hpp"

namespace espalier::test {
namespace {

class Vectors : public testing::TestWithParam<Candidate> {
 protected:
  void SetUp() override {
    std::string reason;
    backend_ = OpenBackend::open(*GetParam().entry, GetParam().options, reason);
    ASSERT_TRUE(backend_) << reason;
  }

  // Seals `clear` and opens `sealed` (both whole packets; clear without its ICV). What the backend
  // does not do it must refuse: Contract.WhatIsLeftToOpensslIsRefusedInWords.
  void expect_packet(const Sa& sa, std::uint32_t seq_hi, const Bytes& clear, const Bytes& sealed) {
    if (!GetParam().does(transform_of(sa))) return;
    const auto length = static_cast<std::uint32_t>(sealed.size());
    const auto outbound = backend_->session(sa, ESPALIER_OUTBOUND);
    Bytes packet = clear;
    packet.resize(sealed.size());
    auto op = make_op(outbound, sa, packet.data(), length, seq_hi);
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    EXPECT_EQ(to_hex(packet.data(), packet.size()), to_hex(sealed.data(), sealed.size()));
    backend_->close(outbound);

    const auto inbound = backend_->session(sa, ESPALIER_INBOUND);
    packet = sealed;
    op = make_op(inbound, sa, packet.data(), length, seq_hi);
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    EXPECT_EQ(to_hex(packet.data(), clear.size()), to_hex(clear.data(), clear.size()));
    backend_->close(inbound);
  }

  // The ciphertext does not depend on how much of the tag is sent.
  void expect_gcm_ciphertext(const conform::Vector& v, std::uint32_t icv_bytes) {
    const Bytes nonce = v.bytes("IV");
    const Bytes plaintext = v.bytes("PLAINTEXT");
    const Sa sa{.cipher = ESPALIER_CIPHER_AES_GCM,
                .integrity = ESPALIER_INTEGRITY_NONE,
                .key = v.bytes("KEY"),
                .salt = Bytes(nonce.begin(), nonce.begin() + 4),
                .integrity_key = {},
                .icv_bytes = icv_bytes};
    if (!GetParam().does(transform_of(sa))) return;
    Bytes packet(8);
    packet.insert(packet.end(), nonce.begin() + 4, nonce.end());
    packet.insert(packet.end(), plaintext.begin(), plaintext.end());
    packet.resize(packet.size() + icv_bytes);
    const auto session = backend_->session(sa, ESPALIER_OUTBOUND);
    auto op = make_op(session, sa, packet.data(), static_cast<std::uint32_t>(packet.size()));
    EXPECT_EQ(backend_->process(op), ESPALIER_OP_DONE);
    const Bytes expected = v.bytes("CIPHERTEXT");
    EXPECT_EQ(to_hex(packet.data() + 16, plaintext.size()),
              to_hex(expected.data(), expected.size()));
    backend_->close(session);
  }

  // A raw cipher vector as the payload of an ESP packet; HMAC-SHA256 of OpenSSL's one-shot
  // function.
  void expect_cipher(std::uint16_t cipher, const Bytes& key, const Bytes& salt, const Bytes& iv,
                     const Bytes& header, const Bytes& plaintext, const Bytes& ciphertext) {
    Sa sa{.cipher = cipher,
          .integrity = ESPALIER_INTEGRITY_HMAC_SHA256,
          .key = key,
          .salt = salt,
          .integrity_key = Bytes(32, 0x0b),
          .icv_bytes = 16};
    Bytes clear = header;
    clear.insert(clear.end(), iv.begin(), iv.end());
    Bytes sealed = clear;
    clear.insert(clear.end(), plaintext.begin(), plaintext.end());
    sealed.insert(sealed.end(), ciphertext.begin(), ciphertext.end());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), sa.integrity_key.data(), 32, sealed.data(), sealed.size(), digest, &size);
    sealed.insert(sealed.end(), digest, digest + sa.icv_bytes);
    expect_packet(sa, 0, clear, sealed);
  }

  void expect_hmac(std::uint16_t integrity, std::uint32_t icv_bytes, const Vector& v) {
    Sa sa{.cipher = ESPALIER_CIPHER_NULL,
          .integrity = integrity,
          .key = {},
          .salt = {},
          .integrity_key = v.bytes("KEY"),
          .icv_bytes = icv_bytes};
    const Bytes message = v.bytes("MSG");  // its first 8 bytes are taken for the ESP header
    ASSERT_GE(message.size(), 8U);
    const Bytes digest = v.bytes("MD");
    Bytes sealed = message;
    sealed.insert(sealed.end(), digest.begin(), digest.begin() + icv_bytes);
    expect_packet(sa, 0, message, sealed);
    if (message.size() < 12) return;
    // With ESN the last four bytes hashed are the high sequence bits, which are not sent.
    sa.esn = true;
    std::uint32_t seq_hi = 0;
    for (std::size_t i = message.size() - 4; i < message.size(); ++i)
      seq_hi = seq_hi << 8 | message[i];
    sealed = Bytes(message.begin(), message.end() - 4);
    const Bytes clear = sealed;
    sealed.insert(sealed.end(), digest.begin(), digest.begin() + icv_bytes);
    expect_packet(sa, seq_hi, clear, sealed);
  }

  std::unique_ptr<OpenBackend> backend_;
};

std::uint32_t number(const Bytes& big_endian) {
  std::uint32_t value = 0;
  for (const auto byte : big_endian) value = value << 8 | byte;
  return value;
}

using Block = std::array<std::uint8_t, 16>;

// In GF(2^128), as NIST SP 800-38D 6.3 has it.
Block times(const Block& x, Block v) {
  Block z{};
  for (std::size_t i = 0; i < 128; ++i) {
    if ((x[i / 8] >> (7 - i % 8) & 1) != 0)
      for (std::size_t k = 0; k < 16; ++k) z[k] ^= v[k];
    const bool odd = (v[15] & 1) != 0;
    for (std::size_t k = 15; k > 0; --k)
      v[k] = static_cast<std::uint8_t>(v[k] >> 1 | v[k - 1] << 7);
    v[0] = static_cast<std::uint8_t>(v[0] >> 1 ^ (odd ? 0xe1 : 0));
  }
  return z;
}

void expect_esp_file(const std::string& file, const std::map<std::string, std::uint16_t>& ciphers,
                     const std::function<void(const Sa&, std::uint32_t, const Bytes&,
                                              const Bytes&)>& expect_packet) {
  for (const auto& v : read_vectors(file)) {
    SCOPED_TRACE(file + ": " + v.text("NAME"));
    Sa sa{.cipher = ciphers.at(v.text("CIPHER")),
          .integrity = ESPALIER_INTEGRITY_NONE,
          .key = v.bytes("KEY"),
          .salt = v.bytes("SALT"),
          .integrity_key = {},
          .icv_bytes = 16,
          .esn = v.has("SEQ_HI")};
    const auto seq_hi = sa.esn ? number(v.bytes("SEQ_HI")) : 0;
    const Bytes clear = v.bytes("CLEAR");
    const Bytes sealed = v.bytes("SEALED");
    expect_packet(sa, seq_hi, clear, sealed);
    if (sa.cipher != ESPALIER_CIPHER_AES_GCM) continue;
    for (std::uint32_t icv : {8U, 12U}) {  // RFC 4106 6: the first bytes of the tag
      sa.icv_bytes = icv;
      expect_packet(sa, seq_hi, clear, Bytes(sealed.begin(), sealed.end() - 16 + icv));
    }
  }
}

TEST_P(Vectors, WholeEspPacketsOfGcmAndGmac) {
  expect_esp_file("esp_gcm.txt",
                  {{"AES_GCM", ESPALIER_CIPHER_AES_GCM}, {"AES_GMAC", ESPALIER_CIPHER_AES_GMAC}},
                  [this](const auto&... a) { expect_packet(a...); });
}

// GHASH of what is authenticated alone (NIST SP 800-38D 6.4), with the key H = E(K, 0). Slow and
// plain, so that it can be held against the text.
Block ghash(const Bytes& key, const Bytes& aad) {
  Block h{};
  const auto* const aes = key.size() == 16   ? EVP_aes_128_ecb()
                          : key.size() == 24 ? EVP_aes_192_ecb()
                                             : EVP_aes_256_ecb();
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  int size = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(context, aes, nullptr, key.data(), nullptr), 1);
  EXPECT_EQ(EVP_EncryptUpdate(context, h.data(), &size, Block{}.data(), 16), 1);
  EVP_CIPHER_CTX_free(context);

  Bytes hashed = aad;
  hashed.resize((aad.size() + 15) / 16 * 16);
  for (int shift = 56; shift >= 0; shift -= 8)
    hashed.push_back(static_cast<std::uint8_t>(aad.size() * 8 >> shift));
  hashed.resize(hashed.size() + 8);  // no ciphertext
  Block y{};
  for (std::size_t at = 0; at < hashed.size(); at += 16) {
    for (std::size_t i = 0; i < 16; ++i) y[i] ^= hashed[at + i];
    y = times(y, h);
  }
  return y;
}

// NIST's tags are over an AAD that is no ESP packet, since the IV is no part of it. But two tags of
// the same key and nonce differ by just what their GHASH does (SP 800-38D 7.1, step 6), so that the
// published one says what the packet's has to be.
TEST_P(Vectors, GmacTagsOfNist) {
  for (const auto& v : read_vectors("nist_aes_gmac.txt")) {
    SCOPED_TRACE("nist_aes_gmac.txt, line " + std::to_string(v.line));
    const Bytes key = v.bytes("KEY"), nonce = v.bytes("IV"), aad = v.bytes("AAD");
    const Sa sa{.cipher = ESPALIER_CIPHER_AES_GMAC,
                .integrity = ESPALIER_INTEGRITY_NONE,
                .key = key,
                .salt = Bytes(nonce.begin(), nonce.begin() + 4),
                .integrity_key = {},
                .icv_bytes = 16};
    Bytes clear = {0, 0, 0x43, 0x21, 0, 0, 0, 7};
    clear.insert(clear.end(), nonce.begin() + 4, nonce.end());
    clear.insert(clear.end(), aad.begin(), aad.end() - static_cast<long>(aad.size() % 4));
    Bytes sealed = clear;
    const Bytes tag = v.bytes("TAG");
    const Block of_nist = ghash(key, aad), of_packet = ghash(key, clear);
    for (std::size_t i = 0; i < 16; ++i)
      sealed.push_back(static_cast<std::uint8_t>(tag[i] ^ of_nist[i] ^ of_packet[i]));
    expect_packet(sa, 0, clear, sealed);
  }
}

TEST_P(Vectors, WholeEspPacketsOfChaCha20Poly1305) {
  expect_esp_file("esp_chacha20.txt", {{"CHACHA20_POLY1305", ESPALIER_CIPHER_CHACHA20_POLY1305}},
                  [this](const auto&... a) { expect_packet(a...); });
}

// The tags of these are over an AAD that is no ESP header: an ESP packet reaches the ciphertext.
TEST_P(Vectors, GcmCiphertextOfNistAndTheSpecification) {
  for (const char* file : {"nist_aes_gcm.txt", "gcm_spec.txt"}) {
    for (const auto& v : read_vectors(file)) {
      SCOPED_TRACE(std::string(file) + ", line " + std::to_string(v.line));
      for (const std::uint32_t icv : {8U, 12U, 16U}) expect_gcm_ciphertext(v, icv);
    }
  }
}

TEST_P(Vectors, AesCbcOfRfc3602AndNist) {
  for (const char* file : {"rfc3602_cbc.txt", "nist_aes_cbc.txt"}) {
    for (const auto& v : read_vectors(file)) {
      SCOPED_TRACE(std::string(file) + ", line " + std::to_string(v.line));
      expect_cipher(ESPALIER_CIPHER_AES_CBC, v.bytes("KEY"), {}, v.bytes("IV"),
                    v.has("HEADER") ? v.bytes("HEADER") : Bytes(8), v.bytes("PLAINTEXT"),
                    v.bytes("CIPHERTEXT"));
    }
  }
}

TEST_P(Vectors, AesCtrOfRfc3686) {
  for (const auto& v : read_vectors("rfc3686_ctr.txt")) {
    SCOPED_TRACE("rfc3686_ctr.txt, line " + std::to_string(v.line));
    const Bytes block = v.bytes("IV");
    ASSERT_EQ(number(Bytes(block.begin() + 12, block.end())), 1U);
    expect_cipher(ESPALIER_CIPHER_AES_CTR, v.bytes("KEY"), Bytes(block.begin(), block.begin() + 4),
                  Bytes(block.begin() + 4, block.begin() + 12), Bytes(8), v.bytes("PLAINTEXT"),
                  v.bytes("CIPHERTEXT"));
  }
}

TEST_P(Vectors, TripleDesOfNist) {
  for (const auto& v : read_vectors("nist_3des_cbc.txt")) {
    SCOPED_TRACE("nist_3des_cbc.txt, line " + std::to_string(v.line));
    Bytes key = v.bytes("KEY1");
    for (const char* part : {"KEY2", "KEY3"}) {
      const Bytes more = v.bytes(part);
      key.insert(key.end(), more.begin(), more.end());
    }
    expect_cipher(ESPALIER_CIPHER_3DES_CBC, key, {}, v.bytes("IV"), Bytes(8), v.bytes("PLAINTEXT"),
                  v.bytes("CIPHERTEXT"));
  }
}

TEST_P(Vectors, HmacOfRfc2202AndRfc4231) {
  struct File {
    const char* name;
    std::uint16_t integrity;
    std::uint32_t icv_bytes;
  };
  const File files[] = {{"rfc2202_hmac_md5.txt", ESPALIER_INTEGRITY_HMAC_MD5, 12},
                        {"rfc2202_hmac_sha1.txt", ESPALIER_INTEGRITY_HMAC_SHA1, 12},
                        {"rfc4231_hmac_sha256.txt", ESPALIER_INTEGRITY_HMAC_SHA256, 16},
                        {"rfc4231_hmac_sha384.txt", ESPALIER_INTEGRITY_HMAC_SHA384, 24},
                        {"rfc4231_hmac_sha512.txt", ESPALIER_INTEGRITY_HMAC_SHA512, 32}};
  for (const auto& file : files) {
    for (const auto& v : read_vectors(file.name)) {
      const bool left_to_openssl = file.integrity == ESPALIER_INTEGRITY_HMAC_MD5 &&
                                   v.bytes("KEY").size() > 64 && !GetParam().is_openssl();
      if (left_to_openssl) continue;  // Contract.WhatIsLeftToOpensslIsRefusedInWords
      SCOPED_TRACE(std::string(file.name) + ", line " + std::to_string(v.line));
      expect_hmac(file.integrity, file.icv_bytes, v);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Vectors, testing::ValuesIn(candidates()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace espalier::test
