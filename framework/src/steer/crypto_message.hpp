// SPDX-License-Identifier: Apache-2.0
//
// Messages of the kernel's crypto netlink (linux/cryptouser.h, crypto/crypto_user.c), to bytes and
// back. Pure. Names end at 63 characters there; /proc/crypto has them whole.
#pragma once

#include <espalier/result.hpp>

#include "steer/algorithm.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier::steer {

enum class CryptoVerb : std::uint8_t { make, remove, set_priority, get, dump };

struct CryptoRequest {
  CryptoVerb verb = CryptoVerb::get;
  std::string driver;                     // none for a dump
  std::optional<std::uint32_t> priority;  // of make and set_priority

  friend bool operator==(const CryptoRequest&, const CryptoRequest&) = default;
};

using Bytes = std::vector<std::uint8_t>;

// `sequence` comes back in what answers it.
Bytes encode(const CryptoRequest& request, std::uint32_t sequence);

struct CryptoReply {
  int error = 0;       // an errno; 0: done
  bool ended = false;  // nothing more follows
  std::vector<Algorithm> algorithms;
};

// Adds what one datagram from the kernel says to the reply. Messages with another sequence number
// answer something else, and are passed over.
Result<void> decode(std::span<const std::uint8_t> datagram, const CryptoRequest& request,
                    std::uint32_t sequence, CryptoReply& reply);

}  // namespace espalier::steer
