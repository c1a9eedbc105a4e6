// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/drop.hpp>
#include <espalier/engine.hpp>

#include "xfrm/sa_state.hpp"

namespace espalier {

// What the kernel counts of an SA, in our own terms.
inline SaCounters counters_of(const SaSpec& sa, const xfrm::SaState& state) {
  const bool out = sa.direction == Direction::outbound;
  return {.sequence = out ? state.sent : state.received,
          .packets = state.packets,
          .bytes = state.bytes,
          .errors = std::uint64_t{state.too_old} + state.replays + state.bad_icv,
          .moves = 0};
}

inline void add_drops(const xfrm::SaState& state, DropCounts& counts) {
  counts[std::size_t(Drop::in_replay)] += state.too_old + state.replays;
  counts[std::size_t(Drop::in_bad_icv)] += state.bad_icv;
}

}  // namespace espalier
