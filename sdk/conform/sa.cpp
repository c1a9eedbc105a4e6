// SPDX-License-Identifier: Apache-2.0
#include <conform/sa.hpp>

#include <algorithm>
#include <cstring>

namespace espalier::conform {

void fill(Random& random, std::uint8_t* to, std::size_t size) {
  for (; size >= 8; size -= 8, to += 8) {
    const std::uint64_t word = random();
    std::memcpy(to, &word, 8);
  }
  const std::uint64_t word = random();
  std::memcpy(to, &word, size);
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  if (size != 0) fill(random, bytes.data(), size);
  return bytes;
}

std::uint32_t Sa::block_bytes() const {
  switch (info->transform.cipher) {
    case Cipher::aes_cbc:
      return 16;
    case Cipher::des3_cbc:
      return 8;
    default:
      return 1;
  }
}

espalier_session_params Sa::params(std::uint32_t direction) const {
  espalier_session_params p{};
  p.struct_size = sizeof p;
  p.cipher = static_cast<std::uint16_t>(info->transform.cipher);
  p.integrity = static_cast<std::uint16_t>(info->transform.integrity);
  p.direction = direction;
  p.icv_bytes = info->transform.icv_bytes;
  p.esn = esn ? 1 : 0;
  p.cipher_key = {key.data(), key.size()};
  p.salt = {salt.data(), salt.size()};
  p.integrity_key = {integrity_key.data(), integrity_key.size()};
  return p;
}

std::string Sa::name() const { return std::string(info->name) + (esn ? " with ESN" : ""); }

Sa random_sa(Random& random, const TransformInfo& transform, bool esn) {
  return {.info = &transform,
          .key = random_bytes(random, transform.cipher_key_bytes),
          .salt = random_bytes(random, transform.salt_bytes),
          .integrity_key = random_bytes(random, transform.integrity_key_bytes),
          .esn = esn};
}

bool covers(const Capability& capability, const TransformInfo& transform) {
  const Transform& t = transform.transform;
  if (capability.cipher != t.cipher || capability.integrity != t.integrity) return false;
  if ((capability.icv_bytes & ESPALIER_ICV(t.icv_bytes)) == 0) return false;
  const bool one_length = t.cipher == Cipher::null || t.cipher == Cipher::des3_cbc ||
                          t.cipher == Cipher::chacha20_poly1305;
  if (one_length && (capability.key_bits & ESPALIER_KEY_ANY) != 0) return true;
  const std::uint32_t bit = t.key_bits == 128   ? ESPALIER_KEY_128
                            : t.key_bits == 192 ? ESPALIER_KEY_192
                            : t.key_bits == 256 ? ESPALIER_KEY_256
                                                : ESPALIER_KEY_ANY;
  return (capability.key_bits & bit) != 0;
}

bool covers_esn(const Capability& capability, bool esn) {
  return (capability.esn & (esn ? 2U : 1U)) != 0;
}

std::vector<const TransformInfo*> variants(const Capability& capability) {
  std::vector<const TransformInfo*> all;
  for (const TransformInfo& transform : transforms())
    if (covers(capability, transform)) all.push_back(&transform);
  return all;
}

std::string name_of(const Capability& capability) {
  std::string name = to_string(capability.cipher);
  if (capability.integrity != Integrity::none) {
    name += '+';
    name += to_string(capability.integrity);
  }
  return name;
}

}  // namespace espalier::conform
