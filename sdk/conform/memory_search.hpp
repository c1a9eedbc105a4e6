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
  void add(std::span<const std::uint8_t> secret, std::string_view what);
  // An AES key with the round keys that follow from it, for both directions.
  void add_aes_key(std::span<const std::uint8_t> key, std::string_view what);
  // An HMAC key: as it is, and padded for the inner and the outer hash.
  void add_hmac_key(std::span<const std::uint8_t> key, std::string_view what);

  std::size_t secrets() const noexcept { return secrets_.size(); }
  // What is found and where, a sentence each; of each secret once.
  std::vector<std::string> run() const;

 private:
  struct Secret {
    Bytes masked;
    std::string what;
  };
  std::vector<Secret> secrets_;
};

}  // namespace espalier::conform
