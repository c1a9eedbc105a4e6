// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "decorated.hpp"
#include "fate.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace espalier::fault {

// A queue over one of the decorated device, which may be synchronous or not. Asynchronous itself,
// since most faults are of that kind. What the decorated one is given are copies of the ops, so
// that it sets no status that the caller shall not see. [queue]
class FaultQueue final : public sdk::Queue {
 public:
  static constexpr std::size_t kDepth = 256;

  FaultQueue(Decorated& decorated, Fate& fate, std::uint64_t generation, void* inner,
             bool inner_is_asynchronous);
  ~FaultQueue() override;

  std::uint32_t submit(espalier_op* const* ops, std::uint32_t n) override;
  std::uint32_t poll(espalier_op** ops, std::uint32_t n) override;
  espalier_status quiesce(std::uint64_t deadline_ns) override;

 private:
  struct Flight {
    espalier_op* op;
    Fault fault;
    std::uint64_t due_ns;
    enum class State : std::uint8_t { waiting, inner, done } state;
    espalier_op copy;  // what the decorated device works on
  };
  using Flights = std::vector<std::unique_ptr<Flight>>;

  void run_inner();
  void process_waiting();
  void submit_waiting();
  void poll_inner();
  std::vector<Flight*> ready();
  void give_back(Flight& flight);

  Decorated& decorated_;
  Fate& fate_;
  const std::uint64_t generation_;
  void* const inner_;
  const bool asynchronous_;
  Flights flights_;                 // in the order of acceptance
  std::deque<espalier_op*> extra_;  // that are handed back though they are not out
  espalier_op foreign_{};
};

}  // namespace espalier::fault
