// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED  // only the old calls let a hash's state be seen
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <conform/derived_keys.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace espalier::conform {
namespace {

std::uint8_t times(std::uint8_t a, std::uint8_t b) {
  std::uint8_t product = 0;
  for (; b != 0; b = static_cast<std::uint8_t>(b >> 1)) {
    if ((b & 1) != 0) product ^= a;
    a = static_cast<std::uint8_t>(a << 1 ^ ((a & 0x80) != 0 ? 0x1b : 0));
  }
  return product;
}

std::array<std::uint8_t, 256> make_sbox() {
  std::array<std::uint8_t, 256> sbox{};
  std::uint8_t p = 1;
  std::uint8_t q = 1;  // p's inverse
  do {
    p = times(p, 3);
    q = times(q, 0xf6);
    const auto turned = [&](int n) { return static_cast<std::uint8_t>(q << n | q >> (8 - n)); };
    sbox[p] = static_cast<std::uint8_t>(q ^ turned(1) ^ turned(2) ^ turned(3) ^ turned(4) ^ 0x63);
  } while (p != 1);
  sbox[0] = 0x63;
  return sbox;
}

const std::array<std::uint8_t, 256>& sbox() {
  static const auto table = make_sbox();
  return table;
}

// A block of zeros, enciphered (FIPS 197, 5.1).
Bytes enciphered_zeros(std::span<const std::uint8_t> schedule) {
  Bytes state(schedule.begin(), schedule.begin() + 16);
  std::array<std::uint8_t, 16> shifted{};
  for (std::size_t at = 16; at < schedule.size(); at += 16) {
    for (std::size_t i = 0; i < 16; ++i) shifted[i] = sbox()[state[(i + 4 * (i % 4)) % 16]];
    for (std::size_t i = 0; i < 16; ++i) {
      const auto in_column = [&](std::size_t k) { return shifted[i / 4 * 4 + (i + k) % 4]; };
      const bool last = at + 16 == schedule.size();
      state[i] = last ? shifted[i]
                      : static_cast<std::uint8_t>(times(in_column(0), 2) ^ times(in_column(1), 3) ^
                                                  in_column(2) ^ in_column(3));
      state[i] ^= schedule[at + i];
    }
  }
  explicit_bzero(shifted.data(), shifted.size());
  return state;
}

// The state after one whole block: what a context of the hash begins with.
template <class Context>
Bytes state_after(int (*init)(Context*), int (*update)(Context*, const void*, std::size_t),
                  std::size_t size, std::span<const std::uint8_t> block) {
  static_assert(std::is_standard_layout_v<Context>);
  Context context;
  init(&context);
  update(&context, block.data(), block.size());
  Bytes state(size);
  std::memcpy(state.data(), &context, size);
  explicit_bzero(&context, sizeof context);
  return state;
}

Bytes state_of(Integrity integrity, std::span<const std::uint8_t> block) {
  switch (integrity) {
    case Integrity::hmac_md5:
      return state_after(MD5_Init, MD5_Update, 16, block);
    case Integrity::hmac_sha1:
      return state_after(SHA1_Init, SHA1_Update, 20, block);
    case Integrity::hmac_sha256:
      return state_after(SHA256_Init, SHA256_Update, 32, block);
    case Integrity::hmac_sha384:
      return state_after(SHA384_Init, SHA384_Update, 64, block);
    case Integrity::hmac_sha512:
      return state_after(SHA512_Init, SHA512_Update, 64, block);
    case Integrity::none:
      break;
  }
  return {};
}

}  // namespace

Bytes aes_key_schedule(std::span<const std::uint8_t> key) {
  const std::size_t rounds = key.size() / 4 + 6;
  Bytes all;
  all.reserve(16 * (rounds + 1));  // growing, it would leave copies behind
  all.assign(key.begin(), key.end());
  std::uint8_t constant = 1;
  for (std::size_t i = key.size(); i < 16 * (rounds + 1); i += 4) {
    std::array<std::uint8_t, 4> t;
    std::copy_n(all.end() - 4, 4, t.begin());
    if (i % key.size() == 0) {
      std::rotate(t.begin(), t.begin() + 1, t.end());
      for (auto& byte : t) byte = sbox()[byte];
      t[0] ^= constant;
      constant = times(constant, 2);
    } else if (key.size() == 32 && i % key.size() == 16) {
      for (auto& byte : t) byte = sbox()[byte];
    }
    for (std::size_t k = 0; k < 4; ++k)
      all.push_back(static_cast<std::uint8_t>(all[i + k - key.size()] ^ t[k]));
  }
  return all;
}

Bytes aes_inverse_round_key(std::span<const std::uint8_t> round_key) {
  constexpr std::uint8_t kFactors[] = {14, 11, 13, 9};
  Bytes mixed(16);
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t k = 0; k < 4; ++k)
      mixed[i] ^= times(round_key[i / 4 * 4 + (i + k) % 4], kFactors[k]);
  return mixed;
}

Bytes ghash_key(std::span<const std::uint8_t> key) {
  Bytes schedule = aes_key_schedule(key);
  Bytes h = enciphered_zeros(schedule);
  explicit_bzero(schedule.data(), schedule.size());
  return h;
}

// GHASH's bits are in reverse: doubled is shifted to the left, and what falls out is folded back.
Bytes ghash_key_doubled(std::span<const std::uint8_t> key) {
  Bytes h = ghash_key(key);
  std::ranges::reverse(h);
  unsigned carry = 0;
  for (auto& byte : h) {
    const unsigned shifted = byte * 2U | carry;
    carry = shifted >> 8;
    byte = static_cast<std::uint8_t>(shifted);
  }
  if (carry != 0) {
    h[15] ^= 0xc2;
    h[0] ^= 1;
  }
  return h;
}

Bytes hmac_padded(std::span<const std::uint8_t> key, HmacPad pad, std::size_t block) {
  Bytes padded(block);
  std::ranges::copy(key, padded.begin());
  for (auto& byte : padded) byte ^= static_cast<std::uint8_t>(pad);
  return padded;
}

HmacState hmac_state(Integrity integrity, std::span<const std::uint8_t> key, HmacPad pad) {
  const bool wide = integrity == Integrity::hmac_sha384 || integrity == Integrity::hmac_sha512;
  Bytes block = hmac_padded(key, pad, wide ? 128 : 64);
  HmacState state{state_of(integrity, block), wide ? std::size_t{8} : std::size_t{4}};
  explicit_bzero(block.data(), block.size());
  return state;
}

}  // namespace espalier::conform
