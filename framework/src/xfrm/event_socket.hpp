// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "xfrm/sa_state.hpp"

struct nl_sock;

namespace espalier::xfrm {

// Hears from the kernel when an SA reaches a limit of its lifetime. [control]
class EventSocket {
 public:
  static Result<EventSocket> open();

  // What was said since the last call. Does not wait. What was missed is not told: whoever reads
  // the SAs now and then sees that one has gone.
  std::vector<SaNews> take();

 private:
  struct Free {
    void operator()(nl_sock* socket) const noexcept;
  };
  explicit EventSocket(nl_sock* socket) : socket_(socket) {}

  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace espalier::xfrm
