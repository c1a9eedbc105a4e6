// SPDX-License-Identifier: Apache-2.0
//
// SAs as the kernel tells of them. Own parsers: libnl-xfrm reads DELSA and EXPIRE at the wrong
// place.
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xfrm/sa_request.hpp"
#include "xfrm/transport.hpp"

namespace espalier::xfrm {

// The device that holds an SA, as the kernel has it.
struct HeldBy {
  int interface = 0;  // index
  Offload offload = Offload::none;

  friend bool operator==(const HeldBy&, const HeldBy&) = default;
};

// An SA of the kernel, without its keys.
struct SaState {
  SaId id;
  IpAddress source;
  std::uint8_t protocol = 0;  // 50: ESP
  std::uint32_t reqid = 0;
  Mode mode = Mode::tunnel;
  bool esn = false;
  std::uint64_t sent = 0;      // last number
  std::uint64_t received = 0;  // highest number
  std::uint64_t bytes = 0, packets = 0;
  std::uint32_t too_old = 0, replays = 0, bad_icv = 0;
  std::string algorithm;  // of an AEAD, or of the cipher
  bool redacted = false;  // its keys were zero: the kernel hides them
  std::optional<HeldBy> held_by{};

  friend bool operator==(const SaState&, const SaState&) = default;
};

// What a message tells of an SA.
struct SaNews {
  enum class Kind : std::uint8_t { is, updated, deleted, soft_expired, hard_expired };
  Kind kind = Kind::is;
  SaState state;  // deleted: with its last numbers; expired: without what only a dump tells
};

// Nothing for a message of another type, or one that is cut short.
std::optional<SaNews> read_sa(const Message& message);

// All ESP SAs of this network namespace. What was lost on the way is asked for again.
Result<std::vector<SaState>> read_all_sas(Transport& kernel);
// These SAs, in their order; nothing for one that the kernel does not have.
Result<std::vector<std::optional<SaState>>> read_sas(Transport& kernel,
                                                     const std::vector<SaId>& ids);

}  // namespace espalier::xfrm
