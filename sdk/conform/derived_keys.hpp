// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a key in an implementation that works ahead: what is then as good as the key, and
// must go with it. Pure; of what is computed on the way no copy is left on the heap.
#pragma once

#include <conform/sa.hpp>

#include <cstdint>
#include <span>

namespace espalier::conform {

// FIPS 197: all round keys, the first of which is (the beginning of) the key itself.
Bytes aes_key_schedule(std::span<const std::uint8_t> key);
// A round key of the equivalent inverse cipher.
Bytes aes_inverse_round_key(std::span<const std::uint8_t> round_key);

// SP 800-38D: H, by an AES key. Doubled: H times x in the field, as a little-endian number of 128
// bits, which is what code for carry-less multiplication keeps.
Bytes ghash_key(std::span<const std::uint8_t> key);
Bytes ghash_key_doubled(std::span<const std::uint8_t> key);

// RFC 2104: the key, filled up with zeros to so many bytes, XORed with the byte of the inner or the
// outer hash.
enum class HmacPad : std::uint8_t { inner = 0x36, outer = 0x5c };
Bytes hmac_padded(std::span<const std::uint8_t> key, HmacPad pad, std::size_t size);

// What the hash is at after that block, for keys of up to 64 bytes: the words of its state, in this
// machine's byte order.
struct HmacState {
  Bytes words;
  std::size_t word_bytes = 4;
};
HmacState hmac_state(Integrity integrity, std::span<const std::uint8_t> key, HmacPad pad);

}  // namespace espalier::conform
