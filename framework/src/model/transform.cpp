// SPDX-License-Identifier: Apache-2.0
#include <espalier/transform.hpp>

#include <model/transform_table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

std::span<const TransformInfo> transforms() noexcept { return transform_table::kTransforms; }

const TransformInfo* transform_info(const Transform& transform) noexcept {
  const auto found = std::ranges::find(transforms(), transform, &TransformInfo::transform);
  return found == transforms().end() ? nullptr : &*found;
}

std::string to_string(const Transform& transform) {
  if (const TransformInfo* const info = transform_info(transform)) return std::string(info->name);
  return fmt::format("{} with a {}-bit key, integrity {} and an ICV of {} bytes",
                     to_string(transform.cipher), transform.key_bits,
                     to_string(transform.integrity), transform.icv_bytes);
}

bool is_counter_mode(Cipher cipher) noexcept {
  return cipher == Cipher::aes_gcm || cipher == Cipher::aes_gmac || cipher == Cipher::aes_ctr ||
         cipher == Cipher::chacha20_poly1305;
}

const char* to_string(Cipher cipher) noexcept {
  switch (cipher) {
    case Cipher::null:
      return "null";
    case Cipher::aes_cbc:
      return "aes-cbc";
    case Cipher::aes_ctr:
      return "aes-ctr";
    case Cipher::des3_cbc:
      return "3des-cbc";
    case Cipher::aes_gcm:
      return "aes-gcm";
    case Cipher::chacha20_poly1305:
      return "chacha20-poly1305";
    case Cipher::aes_gmac:
      return "aes-gmac";
  }
  return "unknown";
}

const char* to_string(Integrity integrity) noexcept {
  switch (integrity) {
    case Integrity::none:
      return "none";
    case Integrity::hmac_md5:
      return "hmac-md5";
    case Integrity::hmac_sha1:
      return "hmac-sha1";
    case Integrity::hmac_sha256:
      return "hmac-sha256";
    case Integrity::hmac_sha384:
      return "hmac-sha384";
    case Integrity::hmac_sha512:
      return "hmac-sha512";
  }
  return "unknown";
}

}  // namespace espalier
