// SPDX-License-Identifier: Apache-2.0
//
// Two gateways and a wire between them, under a schedule of faults that follows from a seed, with
// the laws of the design checked on everything that passes.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "unit/gateway/esp_oracle.hpp"
#include "unit/gateway/sim_gateway.hpp"

namespace espalier::test {

class FaultSimulation {
 public:
  static constexpr std::uint32_t kSas = 6;

  explicit FaultSimulation(std::uint64_t seed);

  // From here on the engines run on threads of their own, and the seed no longer says it all.
  void start_threads();
  // One step: perhaps a fault or a repair, some packets, some turns of both gateways, perhaps
  // replays on the wire.
  void step();
  // The sender's asynchronous device swallows what it gets and answers no more, until the engine
  // has noticed.
  void hang();
  // That device is lost and comes back, but with sessions and without queues.
  void refuse_queues();
  // Everything works again: time passes until the gateways have found that out.
  void settle();
  // A packet on one SA, which waits for the sender's next turn.
  void send(std::uint32_t sa, std::uint32_t payload);
  // Packets on every SA; gives how many of them did not arrive, whatever else does meanwhile.
  std::size_t lost_of_a_healthy_round(std::uint32_t packets_each);

  // What a person needs to see when a check failed.
  std::string history() const;
  // What the sender knows of the device of a backend.
  Device sender_device(const std::string& backend);
  // SAs that do not live on a device that works.
  std::vector<std::string> homeless();
  // Breaches of law, by whoever: a test expects none.
  std::vector<std::string> breaches() const;

  std::uint64_t sent() const { return next_id_ - 1; }
  std::uint64_t delivered() const { return delivered_.size(); }
  std::uint64_t moves() const { return moves_; }
  std::uint64_t replays() const { return replays_; }

 private:
  struct Sa {
    PlainKeys keys;
    std::uint32_t spi = 0;
    std::uint64_t last_on_wire = 0;       // sequence number
    std::vector<std::uint64_t> arrivals;  // ids in the order in which they first reached the wire
    std::size_t delivered_up_to = 0;      // index into arrivals
  };

  void add_sas();
  void turn();
  void carry();
  std::uint64_t judge_wire(const Bytes& packet);
  void judge_clear(const Bytes& packet);
  void replay_something();
  void inject_fault();
  void repair(SimGateway& gateway, std::size_t backend);
  void breach(std::string what) { breaches_.insert(std::move(what)); }
  void note(std::string what) { history_.push_back(std::move(what)); }
  std::uint64_t random(std::uint64_t below) { return random_() % below; }
  bool one_in(std::uint64_t n) { return random(n) == 0; }

  std::mt19937_64 random_;
  std::shared_ptr<mock::OpTrace> trace_;  // of all devices of the sender
  SimGateway sender_;
  SimGateway receiver_;
  std::vector<Sa> sas_;
  bool threads_ = false;
  std::uint64_t next_id_ = 1;
  std::set<std::uint64_t> delivered_;
  std::deque<std::pair<std::uint64_t, Bytes>> seen_on_wire_;  // the last ones, with their ids
  std::set<std::uint64_t> replayed_;                          // ids
  std::uint64_t moves_ = 0;
  std::uint64_t replays_ = 0;
  std::vector<std::string> history_;
  std::set<std::string> breaches_;
};

}  // namespace espalier::test
