// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness.hpp"

namespace espalier::test {

// Random packets through a candidate, beside an oracle. Each round is one process() call of the
// candidate: new packets of any SA are sealed, those of the round before are opened, some of them
// spoilt on the way; in place and out of place, at any alignment.
class Rounds {
 public:
  Rounds(OpenBackend& candidate, OpenBackend& oracle, std::vector<Sa> sas, std::uint64_t seed);
  ~Rounds();
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

  // Runs until `packets` were sealed and opened. What was wrong first, or "".
  std::string run(std::uint32_t packets);

 private:
  struct Member {
    Sa sa;
    std::uint64_t seal, open, oracle;
  };
  struct Packet;

  Packet new_packet();
  Bytes seal_by_oracle(const Packet& packet);
  void spoil(Packet& packet);
  std::uint32_t payload_length(const Sa& sa);
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

  OpenBackend& candidate_;
  OpenBackend& oracle_;
  std::vector<Member> members_;
  Random random_;
  std::uint32_t made_ = 0;
};

}  // namespace espalier::test
