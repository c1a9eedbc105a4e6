// SPDX-License-Identifier: Apache-2.0
//
// What the simulated card computes, with real cryptography: AES-GCM with an ICV of 16 bytes (RFC
// 4106), and AES-CBC with HMAC-SHA-256-128 (RFC 3602, RFC 4868). Keeps nothing between packets.
#pragma once

#include <cstdint>
#include <memory>

namespace card {

enum class Suite : std::uint8_t { gcm, cbc_sha256 };

// What the card reads of an SA, by DMA from the host's memory, for as long as the SA is loaded.
struct KeyBlock {
  Suite suite;
  bool inbound;
  bool esn;
  std::uint8_t cipher_key_bytes;
  std::uint8_t cipher_key[32];
  std::uint8_t salt[4];
  std::uint8_t integrity_key[32];
};

// A packet as the card sees it once addresses are translated. `to` may be `from`.
struct Packet {
  const std::uint8_t* from;
  std::uint8_t* to;
  std::uint32_t icv_offset;
  std::uint32_t seq_hi;
};

enum class Code : std::uint8_t { done, bad_icv, failed };

class Firmware {
 public:
  Firmware();
  ~Firmware();

  Code run(const KeyBlock& keys, const Packet& packet) noexcept;

 private:
  struct Algorithms;
  std::unique_ptr<Algorithms> algorithms_;
};

}  // namespace card
