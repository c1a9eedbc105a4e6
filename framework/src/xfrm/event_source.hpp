// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "xfrm/message.hpp"

namespace espalier::xfrm {

struct Heard {
  std::vector<Message> messages;
  bool lost = false;  // the kernel had more to tell than it could keep
};

// What the kernel tells of SAs, so that what listens also runs against a scripted one. [control]
class EventSource {
 public:
  virtual ~EventSource() = default;

  // All that was told since the last call. Does not wait. What an answered request has changed is
  // told before its answer.
  virtual Heard hear() = 0;
};

}  // namespace espalier::xfrm
