// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <conform/sa.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::conform {

// Secrets to look for in this process's own memory, held in a form in which they do not find
// themselves. One thread.
class MemorySearch {
 public:
  // `what` names it: "the key of aes256gcm16". At least 8 bytes, or it is not looked for.
  // Also each of its pieces of 16 bytes: memory that is freed unwiped loses its beginning.
  void add(std::span<const std::uint8_t> secret, std::string_view what);
  // An AES key with the round keys that follow from it, for both directions.
  void add_aes_key(std::span<const std::uint8_t> key, std::string_view what);
  // The key of GHASH that follows from an AES key, as it is and doubled, in the byte orders in
  // which it is kept.
  void add_ghash_key(std::span<const std::uint8_t> key, std::string_view what);
  // An HMAC key: as it is, padded for the inner and the outer hash, and what these have become
  // after it, in both byte orders.
  void add_hmac_key(Integrity integrity, std::span<const std::uint8_t> key, std::string_view what);

  std::size_t secrets() const noexcept { return count_; }
  // What is found and where, a sentence each; of each secret once.
  std::vector<std::string> run() const;

 private:
  struct Secret {
    Bytes masked;
    std::string what;
    std::size_t number;  // that of the secret of which it is all or a part
  };
  void add_words(Bytes secret, std::size_t word, const std::string& what);
  void add_one(std::span<const std::uint8_t> bytes, std::string what);

  std::vector<Secret> secrets_;  // the whole before its parts
  std::size_t count_ = 0;
};

}  // namespace espalier::conform
