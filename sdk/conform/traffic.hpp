// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <conform/cases.hpp>

#include <deque>
#include <string>
#include <vector>

namespace espalier::conform {

// Sessions of the device, in turn over its SAs and directions, and packets of them: each has a
// payload of its own, and its own expectation. The device must have let go of the packets before
// forget(). [queue]
class Traffic {
 public:
  // At most so many sessions; one at the least, or the case ends.
  Traffic(Run& run, OpenedDevice& device, PacketMemory& memory, std::size_t sessions = 1);
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // Of the first session.
  const Sa& sa() const noexcept { return flows_.front().sa; }
  std::uint32_t direction() const noexcept { return flows_.front().direction; }
  std::size_t sessions() const noexcept { return flows_.size(); }

  // The sessions take turns, but for narrow(): from then on all packets are of the first.
  espalier_op* next(std::uint32_t payload = 64);
  std::vector<espalier_op*> some(std::size_t n);
  void narrow() noexcept { turns_ = 1; }
  // A packet of each session alone: where it is wrong already, that is another case's, and only
  // statuses count here.
  void try_alone(Lane& lane);
  // What is wrong with the first that is not done, or "". The last `pending` have not been given.
  std::string what_is_wrong(std::size_t pending = 0) const;
  // Whether one of ours that is answered DONE is what it should be.
  bool is_right(const espalier_op& op) const;
  std::size_t room() const noexcept { return memory_.free_bytes() / 512; }  // packets, at the least
  void forget();

 private:
  struct Flow {
    Sa sa;
    std::uint32_t direction;
    std::uint64_t session;
    std::uint64_t reference;
    bool compares = true;
  };
  struct Packet : espalier_op {
    const Flow* flow;
    Bytes wanted;  // without the ICV where it is opened
  };
  void open(std::size_t sessions);
  bool add(Sa sa, std::uint32_t direction);

  OpenedDevice& device_;
  PacketMemory& memory_;
  Reference reference_;
  Random random_;
  std::deque<Flow> flows_;      // never moves
  std::deque<Packet> packets_;  // likewise
  std::size_t turns_ = 1;
};

}  // namespace espalier::conform
