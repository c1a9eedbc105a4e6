// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <conform/cases.hpp>

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace espalier::conform {

// A session of the first SA that can seal, or else open, packets of it, and what must come of them.
// The device must have let go of the packets before forget(). [queue]
class Traffic {
 public:
  Traffic(Run& run, OpenedDevice& device, PacketMemory& memory);
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  const Sa& sa() const noexcept { return sa_; }
  std::uint32_t direction() const noexcept {
    return inbound_ ? ESPALIER_INBOUND : ESPALIER_OUTBOUND;
  }

  espalier_op* next(std::uint32_t payload = 64);
  std::vector<espalier_op*> some(std::size_t n);
  // A packet alone: where it is wrong already, that is another case's, and only statuses count
  // here.
  void try_alone(Lane& lane);
  // What is wrong with the first that is not done, or "". The last `pending` have not been given.
  std::string what_is_wrong(std::size_t pending = 0) const;
  // Whether one that is answered DONE is what it should be.
  bool is_right(const espalier_op& op) const;
  std::size_t room() const noexcept { return memory_.free_bytes() / 512; }  // packets, at the least
  void forget();

 private:
  struct Sample {
    Bytes given;
    Bytes wanted;  // without the ICV where it is opened
  };
  const Sample& sample_of(std::uint32_t payload);

  OpenedDevice& device_;
  PacketMemory& memory_;
  Reference reference_;
  Sa sa_;
  bool inbound_ = false;
  bool compares_ = true;
  std::uint64_t session_ = 0;
  std::map<std::uint32_t, Sample> samples_;  // by length
  std::deque<espalier_op> ops_;              // never moves
};

}  // namespace espalier::conform
