// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>
#include <espalier/transform.hpp>

#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::conform {

// A fault of the kit itself, or of what it needs here; never the plugin's.
struct KitError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

Bytes random_bytes(Random& random, std::size_t size);
void fill(Random& random, std::uint8_t* to, std::size_t size);
inline std::uint32_t below(Random& random, std::uint64_t limit) {
  return static_cast<std::uint32_t>(random() % limit);
}

// Everything about a session but its direction. The keys are those of a test.
struct Sa {
  const TransformInfo* info = nullptr;
  Bytes key{};
  Bytes salt{};
  Bytes integrity_key{};
  bool esn = false;

  std::uint32_t iv_bytes() const { return info->iv_bytes; }
  std::uint32_t icv_bytes() const { return info->transform.icv_bytes; }
  std::uint32_t block_bytes() const;  // the payload is a multiple of it
  std::uint32_t payload_offset() const { return 8 + iv_bytes(); }
  std::uint32_t length(std::uint32_t payload) const {
    return payload_offset() + payload + icv_bytes();
  }
  espalier_session_params params(std::uint32_t direction) const;  // points into this
  std::string name() const;                                       // "aes256gcm16 with ESN"
};

Sa random_sa(Random& random, const TransformInfo& transform, bool esn);

// Whether the set of a capability has this transform.
bool covers(const Capability& capability, const TransformInfo& transform);
bool covers_esn(const Capability& capability, bool esn);
// The transforms of Espalier that it declares.
std::vector<const TransformInfo*> variants(const Capability& capability);

// "aes-gcm", "aes-cbc+hmac-sha1".
std::string name_of(const Capability& capability);

}  // namespace espalier::conform
