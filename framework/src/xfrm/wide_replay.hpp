// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/xfrm.h>

#include <cstdint>

namespace espalier::xfrm {

// xfrm_replay_state_esn without its bitmap, as which it can be read by value.
struct WideReplay {
  std::uint32_t words, oseq, seq, oseq_hi, seq_hi, window;
};
static_assert(sizeof(WideReplay) == sizeof(xfrm_replay_state_esn));

}  // namespace espalier::xfrm
