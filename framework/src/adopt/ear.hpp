// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "xfrm/event_source.hpp"
#include "xfrm/sa_copy.hpp"

namespace espalier::adopt {

// What the kernel told, in its order, until somebody takes it. [control]
class Ear {
 public:
  explicit Ear(xfrm::EventSource& source) : source_(source) {}

  struct Word {
    xfrm::Message message;
    std::uint64_t era = 0;  // in which it was heard
  };

  void listen();
  std::optional<Word> next();  // without listening
  void forget();               // all that was told until now
  // Whether something was lost since the last call: what there is must be read from the kernel.
  bool take_lost() noexcept;

  // Takes out, of what was heard, the end that a process with this port has made of an SA, but of
  // the last one.
  std::optional<xfrm::LastOf> last_of(const xfrm::SaId& id, std::uint32_t port);

  // From here on a new era: what is heard later happened after this call.
  std::uint64_t begin_era();

 private:
  xfrm::EventSource& source_;
  std::deque<Word> words_;
  std::uint64_t era_ = 0;
  bool lost_ = false;
};

}  // namespace espalier::adopt
