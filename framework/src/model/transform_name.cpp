// SPDX-License-Identifier: Apache-2.0
//
// Names as people write them: strongSwan's keywords and libreswan's, "CIPHER[-INTEGRITY]".
#include "model/transform_pattern.hpp"

#include <espalier/transform.hpp>

#include <model/nearest_name.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <vector>

namespace espalier {
namespace {

// '#' stands for a key length of AES: 128, 192 or 256. Where it comes last, libreswan also writes
// "_128" and "-128".
struct CipherSpelling {
  std::string_view pattern;
  Cipher cipher;
  std::uint16_t key_bits;  // 0: from '#', or none
  std::uint8_t icv_bytes;  // 0: from the integrity
};

constexpr CipherSpelling kCipherSpellings[] = {
    {"aes#", Cipher::aes_cbc, 0, 0},
    {"aes_cbc#", Cipher::aes_cbc, 0, 0},
    {"aes#ctr", Cipher::aes_ctr, 0, 0},
    {"aes_ctr#", Cipher::aes_ctr, 0, 0},
    {"aesctr#", Cipher::aes_ctr, 0, 0},
    {"aes#gcm8", Cipher::aes_gcm, 0, 8},
    {"aes#gcm64", Cipher::aes_gcm, 0, 8},
    {"aes_gcm_8#", Cipher::aes_gcm, 0, 8},
    {"aes_gcm_a#", Cipher::aes_gcm, 0, 8},
    {"aes#gcm12", Cipher::aes_gcm, 0, 12},
    {"aes#gcm96", Cipher::aes_gcm, 0, 12},
    {"aes_gcm_12#", Cipher::aes_gcm, 0, 12},
    {"aes_gcm_b#", Cipher::aes_gcm, 0, 12},
    {"aes#gcm16", Cipher::aes_gcm, 0, 16},
    {"aes#gcm128", Cipher::aes_gcm, 0, 16},
    {"aes#gcm", Cipher::aes_gcm, 0, 16},
    {"aes_gcm_16#", Cipher::aes_gcm, 0, 16},
    {"aes_gcm_c#", Cipher::aes_gcm, 0, 16},
    {"aes_gcm#", Cipher::aes_gcm, 0, 16},
    {"aes#gmac", Cipher::aes_gmac, 0, 16},
    {"aes_gmac#", Cipher::aes_gmac, 0, 16},
    {"null_auth_aes_gmac#", Cipher::aes_gmac, 0, 16},
    {"chacha20poly1305", Cipher::chacha20_poly1305, 256, 16},
    {"chacha20_poly1305", Cipher::chacha20_poly1305, 256, 16},
    {"3des", Cipher::des3_cbc, 192, 0},
    {"3des_cbc", Cipher::des3_cbc, 192, 0},
    {"null", Cipher::null, 0, 0},
};

constexpr std::size_t kLongestName = 64;  // nobody writes longer ones

struct IntegritySpelling {
  std::string_view word;
  Integrity integrity;
};

constexpr IntegritySpelling kIntegritySpellings[] = {
    {"", Integrity::none},
    {"none", Integrity::none},
    {"null", Integrity::none},
    {"md5", Integrity::hmac_md5},
    {"hmac_md5", Integrity::hmac_md5},
    {"hmac_md5_96", Integrity::hmac_md5},
    {"sha", Integrity::hmac_sha1},
    {"sha1", Integrity::hmac_sha1},
    {"sha1_96", Integrity::hmac_sha1},
    {"hmac_sha1", Integrity::hmac_sha1},
    {"hmac_sha1_96", Integrity::hmac_sha1},
    {"sha2", Integrity::hmac_sha256},
    {"sha256", Integrity::hmac_sha256},
    {"sha2_256", Integrity::hmac_sha256},
    {"sha2_256_128", Integrity::hmac_sha256},
    {"hmac_sha2_256", Integrity::hmac_sha256},
    {"hmac_sha2_256_128", Integrity::hmac_sha256},
    {"sha384", Integrity::hmac_sha384},
    {"sha2_384", Integrity::hmac_sha384},
    {"sha2_384_192", Integrity::hmac_sha384},
    {"hmac_sha2_384", Integrity::hmac_sha384},
    {"hmac_sha2_384_192", Integrity::hmac_sha384},
    {"sha512", Integrity::hmac_sha512},
    {"sha2_512", Integrity::hmac_sha512},
    {"sha2_512_256", Integrity::hmac_sha512},
    {"hmac_sha2_512", Integrity::hmac_sha512},
    {"hmac_sha2_512_256", Integrity::hmac_sha512},
};

constexpr std::array<std::string_view, 5> kSingleDes = {"des", "1des", "des_cbc", "des1", "des64"};

bool is_aead(Cipher cipher) noexcept {
  return cipher == Cipher::aes_gcm || cipher == Cipher::aes_gmac ||
         cipher == Cipher::chacha20_poly1305;
}

std::optional<std::uint16_t> key_bits_of(std::string_view digits) {
  if (digits == "128") return std::uint16_t{128};
  if (digits == "192") return std::uint16_t{192};
  if (digits == "256") return std::uint16_t{256};
  return std::nullopt;
}

bool ends_in_digit(std::string_view text) {
  return !text.empty() && text.back() >= '0' && text.back() <= '9';
}

// The key length that the word has where the pattern has '#'.
std::optional<std::uint16_t> key_bits_in(std::string_view word, std::string_view pattern) {
  const std::size_t hash = pattern.find('#');
  const std::string_view before = pattern.substr(0, hash), after = pattern.substr(hash + 1);
  if (!word.starts_with(before) || !word.ends_with(after)) return std::nullopt;
  if (word.size() < before.size() + after.size()) return std::nullopt;
  std::string_view length = word.substr(before.size());
  length.remove_suffix(after.size());
  if (after.empty() && length.starts_with('_'))
    length.remove_prefix(1);
  else if (ends_in_digit(before))
    return std::nullopt;  // "aes_gcm_16" and a length want something in between
  return key_bits_of(length);
}

std::optional<Transform> parse_cipher(std::string_view word) {
  for (const CipherSpelling& spelling : kCipherSpellings) {
    std::optional<std::uint16_t> key_bits;
    if (spelling.pattern.contains('#'))
      key_bits = key_bits_in(word, spelling.pattern);
    else if (word == spelling.pattern)
      key_bits = spelling.key_bits;
    if (key_bits) return Transform{spelling.cipher, *key_bits, Integrity::none, spelling.icv_bytes};
  }
  return std::nullopt;
}

std::optional<Integrity> parse_integrity(std::string_view word) {
  const auto found = std::ranges::find(kIntegritySpellings, word, &IntegritySpelling::word);
  if (found == std::end(kIntegritySpellings)) return std::nullopt;
  return found->integrity;
}

std::unexpected<Error> unknown(std::string_view name) {
  std::vector<std::string_view> known;
  for (const TransformInfo& info : transforms()) {
    known.push_back(info.name);
    if (!info.alias.empty()) known.push_back(info.alias);
  }
  std::string hint = did_you_mean(known, name);
  if (hint.empty())
    hint = "; write it as strongSwan does: aes256gcm16, aes128-sha256, chacha20poly1305";
  return fail(ErrorCode::not_found,
              fmt::format("unknown transform '{}'{}", name.substr(0, kLongestName), hint));
}

std::unexpected<Error> refuse_des(std::string_view name) {
  return fail(
      ErrorCode::unsupported,
      fmt::format("'{}' is refused: ENCR_DES is a MUST NOT (RFC 8221, section 5), its 56-bit "
                  "key can be searched; use aes256gcm16, or 3des-sha1 for a peer that has "
                  "nothing better",
                  name));
}

std::unexpected<Error> refuse_unauthenticated(std::string_view name, std::string_view word,
                                              Cipher cipher) {
  if (cipher == Cipher::null)
    return fail(ErrorCode::unsupported,
                fmt::format("'{}' is refused: NULL without integrity protects nothing; add one, "
                            "like null-sha256",
                            name));
  return fail(
      ErrorCode::unsupported,
      fmt::format("'{}' is refused: encryption without authentication is not effective and MUST "
                  "NOT be used (RFC 8221, section 4); add an integrity, like {}-sha256, or use "
                  "aes256gcm16",
                  name, word));
}

// Words that proposals of IKE daemons hold and that Espalier does not do.
constexpr std::string_view kNotDone[] = {
    "ccm",  "camellia", "blowfish",  "cast",        "serpent",  "twofish",  "xcbc",
    "cmac", "md5_128",  "sha256_96", "sha2_256_96", "sha1_160", "truncbug", "ripemd"};

std::unexpected<Error> refuse_not_done(std::string_view name, std::string_view what) {
  return fail(ErrorCode::unsupported,
              fmt::format("'{}' is refused: Espalier does not do {}; 'espalier transforms' lists "
                          "what it does",
                          name, what));
}

std::unexpected<Error> refuse_open_length(std::string_view name, std::string_view word,
                                          std::string_view rest) {
  return fail(ErrorCode::invalid,
              fmt::format("'{}' leaves the key length open, which IKE daemons fill in differently; "
                          "write {}128{}, {}192{} or {}256{}",
                          name, word, rest, word, rest, word, rest));
}

bool leaves_length_open(std::string_view word) {
  return std::ranges::any_of(kCipherSpellings, [&](const CipherSpelling& spelling) {
    return spelling.pattern.ends_with('#') &&
           word == spelling.pattern.substr(0, spelling.pattern.size() - 1);
  });
}

bool is_key_exchange(std::string_view word) {
  constexpr std::string_view starts[] = {"modp", "ecp", "dh", "curve", "x25519", "x448", "mlkem"};
  return std::ranges::any_of(starts, [&](std::string_view s) { return word.starts_with(s); });
}

// What an IKE proposal says beside the transform, and why it does not belong here; or nothing.
std::optional<std::unexpected<Error>> refuse_proposal(std::string_view name,
                                                      std::string_view text) {
  if (text.find_first_of(",+") != text.npos)
    return fail(
        ErrorCode::invalid,
        fmt::format("'{}' is a list, and an SA has one transform: write one of them", name));
  if (text.ends_with('!'))
    return fail(ErrorCode::invalid,
                fmt::format("'{}' ends in '!': leave it away, nothing else is ever taken", name));
  const std::size_t cut = text.find_last_of(";-");
  if (cut == text.npos) return std::nullopt;
  const std::string_view last = text.substr(cut + 1), rest = text.substr(0, cut);
  if (last == "esn" || last == "noesn")
    return fail(ErrorCode::invalid, fmt::format("'{}' holds '{}', which is no part of the "
                                                "transform: write '{}', and esn = {} beside it",
                                                name, last, rest, last == "esn"));
  if (is_key_exchange(last))
    return fail(ErrorCode::invalid,
                fmt::format("'{}' holds '{}', which is for the key exchange of IKE: write '{}'",
                            name, last, rest));
  return std::nullopt;
}

// In lower case, with a key length that stands apart ("aes_gcm-256-null") joined to its cipher.
std::string normalised(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return text;
  const std::string_view after = std::string_view(text).substr(dash + 1);
  if (key_bits_of(after.substr(0, after.find('-')))) text[dash] = '_';
  return text;
}

// JSON Schema has no flag for it.
std::string in_any_case(std::string_view word) {
  std::string pattern;
  for (const char c : word)
    if (c >= 'a' && c <= 'z')
      pattern += {'[', c, static_cast<char>(c - 'a' + 'A'), ']'};
    else
      pattern += c;
  return pattern;
}

// As key_bits_in() reads it.
std::string pattern_of(std::string_view spelling) {
  const std::size_t hash = spelling.find('#');
  if (hash == spelling.npos) return in_any_case(spelling);
  const std::string_view before = spelling.substr(0, hash), after = spelling.substr(hash + 1);
  const std::string_view between = !after.empty() ? "" : ends_in_digit(before) ? "[-_]" : "[-_]?";
  return fmt::format("{}{}(128|192|256){}", in_any_case(before), between, in_any_case(after));
}

}  // namespace

std::string transform_pattern() {
  std::vector<std::string> ciphers, integrities;
  for (const CipherSpelling& spelling : kCipherSpellings)
    ciphers.push_back(pattern_of(spelling.pattern));
  for (const IntegritySpelling& spelling : kIntegritySpellings)
    if (!spelling.word.empty()) integrities.push_back(in_any_case(spelling.word));
  return fmt::format("^({})(-({}))?$", fmt::join(ciphers, "|"), fmt::join(integrities, "|"));
}

Result<const TransformInfo*> find_transform(std::string_view name) {
  if (name.size() > kLongestName) return unknown(name);
  const std::string text = normalised(name);
  if (auto refused = refuse_proposal(name, text)) return *refused;
  const std::size_t dash = text.find('-');
  const std::string_view view = text;
  const std::string_view cipher_word = view.substr(0, dash);
  const std::string_view integrity_word =
      dash == std::string::npos ? std::string_view() : view.substr(dash + 1);

  if (std::ranges::find(kSingleDes, cipher_word) != kSingleDes.end()) return refuse_des(name);
  auto transform = parse_cipher(cipher_word);
  const auto integrity = parse_integrity(integrity_word);
  if (integrity && leaves_length_open(cipher_word))
    return refuse_open_length(name, cipher_word, view.substr(cipher_word.size()));
  if (!transform || !integrity)
    for (const std::string_view what : kNotDone)
      if (view.contains(what)) return refuse_not_done(name, what);
  if (!transform || !integrity || text.ends_with('-')) return unknown(name);

  const bool aead = is_aead(transform->cipher);
  if (aead && *integrity != Integrity::none)
    return fail(ErrorCode::invalid,
                fmt::format("'{}' is refused: {} authenticates by itself; write '{}'", name,
                            to_string(transform->cipher), cipher_word));
  if (!aead && *integrity == Integrity::none)
    return refuse_unauthenticated(name, cipher_word, transform->cipher);

  const auto matches = [&](const TransformInfo& info) {
    return info.transform.cipher == transform->cipher &&
           info.transform.key_bits == transform->key_bits &&
           info.transform.integrity == *integrity &&
           (!aead || info.transform.icv_bytes == transform->icv_bytes);
  };
  const auto found = std::ranges::find_if(transforms(), matches);
  return found == transforms().end() ? unknown(name) : Result<const TransformInfo*>(&*found);
}

}  // namespace espalier
