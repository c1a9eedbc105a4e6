// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "xfrm/event_source.hpp"
#include "xfrm/sa_state.hpp"

struct nl_sock;

namespace espalier::xfrm {

// Hears from the kernel of this machine. [control]
class EventSocket final : public EventSource {
 public:
  enum class Of {
    lifetimes,  // when an SA reaches a limit of its lifetime
    sas,        // that, and each SA that comes, changes or goes, whoever did it
  };
  static Result<EventSocket> open(Of what = Of::lifetimes);

  Heard hear() override;
  // The same, as far as it is about SAs. What was missed is not told: whoever reads the SAs now and
  // then sees that one has gone.
  std::vector<SaNews> take();

  int descriptor() const noexcept;  // readable when there is something to hear

 private:
  struct Free {
    void operator()(nl_sock* socket) const noexcept;
  };
  explicit EventSocket(nl_sock* socket) : socket_(socket) {}

  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace espalier::xfrm
