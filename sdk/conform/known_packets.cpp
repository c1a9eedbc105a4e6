// SPDX-License-Identifier: Apache-2.0
//
// Published vectors as ESP packets. What is only a primitive is wrapped so that an op exercises it:
// a cipher gets each HMAC behind it, an HMAC a NULL cipher.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <conform/vectors.hpp>

#include <utility>

namespace espalier::conform {
namespace {

using Known = std::vector<KnownPacket>;

struct Hash {
  Integrity integrity;
  std::uint8_t icv_bytes;
  const EVP_MD* (*md)();
  std::string_view file;
};

constexpr Hash kHashes[] = {{Integrity::hmac_md5, 12, EVP_md5, "rfc2202_hmac_md5.txt"},
                            {Integrity::hmac_sha1, 12, EVP_sha1, "rfc2202_hmac_sha1.txt"},
                            {Integrity::hmac_sha256, 16, EVP_sha256, "rfc4231_hmac_sha256.txt"},
                            {Integrity::hmac_sha384, 24, EVP_sha384, "rfc4231_hmac_sha384.txt"},
                            {Integrity::hmac_sha512, 32, EVP_sha512, "rfc4231_hmac_sha512.txt"}};

Sa make_sa(const Transform& transform, Bytes key, Bytes salt, Bytes integrity_key, bool esn) {
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) throw KitError("vectors of an unknown transform");
  return {info, std::move(key), std::move(salt), std::move(integrity_key), esn};
}

std::uint16_t bits_of(const Bytes& key) { return static_cast<std::uint16_t>(8 * key.size()); }

std::uint32_t number(const Bytes& big_endian) {
  std::uint32_t value = 0;
  for (const auto byte : big_endian) value = value << 8 | byte;
  return value;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes head(const Bytes& bytes, std::size_t size) {
  return Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
}

Bytes tail(const Bytes& bytes, std::size_t from) {
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end());
}

// Whole ESP packets of AEADs.
void add_esp(Known& all, std::string_view file) {
  for (const Vector& v : read_vectors(file)) {
    const std::string& name = v.text("CIPHER");
    const Cipher cipher = name == "AES_GCM"    ? Cipher::aes_gcm
                          : name == "AES_GMAC" ? Cipher::aes_gmac
                                               : Cipher::chacha20_poly1305;
    const Bytes key = v.bytes("KEY");
    const Bytes sealed = v.bytes("SEALED");
    for (const std::uint8_t icv : std::initializer_list<std::uint8_t>{
             16, 12, 8}) {  // RFC 4106 6: the first bytes of the tag
      if (icv != 16 && cipher != Cipher::aes_gcm) continue;
      all.push_back({.source = fmt::format("{}: {}", file, v.text("NAME")),
                     .sa = make_sa({cipher, bits_of(key), Integrity::none, icv}, key,
                                   v.bytes("SALT"), {}, v.has("SEQ_HI")),
                     .seq_hi = v.has("SEQ_HI") ? number(v.bytes("SEQ_HI")) : 0,
                     .clear = v.bytes("CLEAR"),
                     .sealed = head(sealed, sealed.size() - 16 + icv)});
    }
  }
}

// The tags of these are over an AAD that is no ESP header: an ESP packet reaches the ciphertext.
void add_gcm(Known& all, std::string_view file) {
  for (const Vector& v : read_vectors(file)) {
    const Bytes key = v.bytes("KEY");
    const Bytes nonce = v.bytes("IV");
    const Bytes header = joined({Bytes(8), tail(nonce, 4)});
    all.push_back({.source = fmt::format("{}, line {}", file, v.line),
                   .sa = make_sa({Cipher::aes_gcm, bits_of(key), Integrity::none, 16}, key,
                                 head(nonce, 4), {}, false),
                   .clear = joined({header, v.bytes("PLAINTEXT")}),
                   .sealed = joined({header, v.bytes("CIPHERTEXT")}),
                   .has_icv = false});
  }
}

// A raw cipher as the payload of an ESP packet, behind it the ICV of each hash.
void add_cipher(Known& all, std::string source, Cipher cipher, const Bytes& key, const Bytes& salt,
                const Bytes& header, const Bytes& plaintext, const Bytes& ciphertext) {
  for (const Hash& hash : kHashes) {
    const Transform transform{cipher, bits_of(key), hash.integrity, hash.icv_bytes};
    Sa sa = make_sa(transform, key, salt, {}, false);
    sa.integrity_key = Bytes(sa.info->integrity_key_bytes, 0x0b);
    Bytes sealed = joined({header, ciphertext});
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(hash.md(), sa.integrity_key.data(), static_cast<int>(sa.integrity_key.size()),
         sealed.data(), sealed.size(), digest, &size);
    sealed.insert(sealed.end(), digest, digest + hash.icv_bytes);
    all.push_back({.source = source,
                   .sa = std::move(sa),
                   .clear = joined({header, plaintext}),
                   .sealed = std::move(sealed)});
  }
}

void add_cbc(Known& all, std::string_view file) {
  for (const Vector& v : read_vectors(file)) {
    const Bytes header = v.has("HEADER") ? v.bytes("HEADER") : Bytes(8);
    add_cipher(all, fmt::format("{}, line {}", file, v.line), Cipher::aes_cbc, v.bytes("KEY"), {},
               joined({header, v.bytes("IV")}), v.bytes("PLAINTEXT"), v.bytes("CIPHERTEXT"));
  }
}

void add_ctr(Known& all, std::string_view file) {
  for (const Vector& v : read_vectors(file)) {
    const Bytes block = v.bytes("IV");  // nonce, IV, counter
    add_cipher(all, fmt::format("{}, line {}", file, v.line), Cipher::aes_ctr, v.bytes("KEY"),
               head(block, 4), joined({Bytes(8), tail(head(block, 12), 4)}), v.bytes("PLAINTEXT"),
               v.bytes("CIPHERTEXT"));
  }
}

void add_des3(Known& all, std::string_view file) {
  for (const Vector& v : read_vectors(file))
    add_cipher(all, fmt::format("{}, line {}", file, v.line), Cipher::des3_cbc,
               joined({v.bytes("KEY1"), v.bytes("KEY2"), v.bytes("KEY3")}), {},
               joined({Bytes(8), v.bytes("IV")}), v.bytes("PLAINTEXT"), v.bytes("CIPHERTEXT"));
}

// An HMAC's message is taken for a packet of the NULL cipher; its last four bytes once more for the
// high sequence bits, which are hashed but not sent.
void add_hmac(Known& all, const Hash& hash) {
  const Transform transform{Cipher::null, 0, hash.integrity, hash.icv_bytes};
  for (const Vector& v : read_vectors(hash.file)) {
    const Bytes message = v.bytes("MSG");
    if (message.size() < 8) continue;
    const Bytes icv = head(v.bytes("MD"), hash.icv_bytes);
    const std::string source = fmt::format("{}, line {}", hash.file, v.line);
    all.push_back({.source = source,
                   .sa = make_sa(transform, {}, {}, v.bytes("KEY"), false),
                   .clear = message,
                   .sealed = joined({message, icv})});
    if (message.size() < 12) continue;
    const Bytes sent = head(message, message.size() - 4);
    all.push_back({.source = source + ", with ESN",
                   .sa = make_sa(transform, {}, {}, v.bytes("KEY"), true),
                   .seq_hi = number(tail(message, sent.size())),
                   .clear = sent,
                   .sealed = joined({sent, icv})});
  }
}

}  // namespace

std::vector<KnownPacket> known_packets() {
  Known all;
  for (const auto file : {"esp_gcm.txt", "esp_chacha20.txt"}) add_esp(all, file);
  for (const auto file : {"nist_aes_gcm.txt", "gcm_spec.txt"}) add_gcm(all, file);
  for (const auto file : {"rfc3602_cbc.txt", "nist_aes_cbc.txt"}) add_cbc(all, file);
  add_ctr(all, "rfc3686_ctr.txt");
  add_des3(all, "nist_3des_cbc.txt");
  for (const Hash& hash : kHashes) add_hmac(all, hash);
  return all;
}

}  // namespace espalier::conform
