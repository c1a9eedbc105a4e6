// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/device.hpp>
#include <espalier/drop.hpp>
#include <espalier/packet.hpp>
#include <espalier/sa.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

struct EngineOptions {
  std::uint32_t slots = 512;  // packets that a worker can hold at once, in flight or at hand
  std::uint32_t burst = 64;   // 1 to 64
  // Where the numbers of SAs begin: 1, but for those who try how a peer takes later ones, or read
  // what was sent with such. Inbound ones up to a replay window before it are taken, too.
  std::uint64_t first_sequence = 1;
  // By which a device that hangs is noticed.
  std::function<std::chrono::steady_clock::time_point()> clock = &std::chrono::steady_clock::now;
  // Before packets for a peer that has moved go to where it is `now`; an error leaves them going
  // to where they went. Within take_events(). What the peer has sent from there is given out
  // afterwards, so that no answer to it goes elsewhere; but it waits 100 ms at the most. [control]
  std::function<Result<void>(const Endpoint& made_for, const Endpoint& now)> before_follow =
      [](const Endpoint&, const Endpoint&) { return Result<void>(); };
};

// That an SA has such a number to begin with.
Result<void> check_first_sequence(const SaSpec& sa, std::uint64_t first);

// The two sides of a worker: inner packets and ESP packets.
struct WorkerPorts {
  std::unique_ptr<PacketPort> clear;
  std::unique_ptr<PacketPort> wire;
};

struct SaStatus {
  std::string name;
  Direction direction = Direction::outbound;
  std::uint32_t spi = 0;
  std::uint32_t worker = 0;
  std::string backend;
  std::string device;
  std::uint64_t sequence = 0;  // outbound: last assigned; inbound: highest accepted
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;   // of inner packets
  std::uint64_t errors = 0;  // dropped packets of this SA
  std::uint64_t moves = 0;   // sessions swapped
  Endpoint peer;             // outbound: where packets go now
  bool expired = false;      // its hard lifetime is over: it carries nothing more
};

// The part of a status that grows with the traffic.
struct SaCounters {
  std::uint64_t sequence = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t moves = 0;
};

// What workers tell the control thread.
struct EngineEvent {
  enum class Kind : std::uint8_t {
    device_lost,
    session_closed,
    sequence_ended,  // of `sa`: it carries nothing more
    soft_lifetime,   // of `sa`: it is time to rekey
    hard_lifetime,   // of `sa`: it carries nothing more
    peer_moved,      // of `sa`, inbound: its peer's NAT has moved it; the SAs to it follow
    path_mtu,        // to a peer
    port_gone,       // of a worker: it can carry nothing more
    unknown_spi,     // a peer sends packets that are of no SA
  };
  Kind kind = Kind::device_lost;
  std::string backend{};  // device_lost, session_closed
  std::string device{};   // device_lost, session_closed
  std::string sa{};
  std::string words{};  // what was seen, for a person
};

// The userspace ESP engine: workers that own SAs and run packets to completion. The control thread
// adds, moves and removes SAs; workers take these up between two bursts. [control]
class Engine {
 public:
  // One worker for each pair of ports. Nothing runs before start().
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options,
                                                std::vector<WorkerPorts> ports);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start();  // one thread a worker
  // Drains what is in flight, then joins. Waits for no device longer than a few seconds: if one
  // keeps a worker's thread, that is the error, and the process can only be left.
  Result<void> stop();
  // For callers with threads of their own, and for tests: one turn of one worker (commands, one
  // burst in each direction, completions). Gives the packets moved. Not after start(). [queue]
  std::size_t turn(std::uint32_t worker);

  // A duplicate name, or one that the wire could not tell apart, is refused. Among outbound SAs
  // with the same selectors the newest carries the traffic. Numbers start at first_sequence (law 1:
  // a session's key is new); an SA that has no such number is refused. One that follows its peer
  // begins where that is now if it takes the place of an SA that has followed the same one.
  Result<void> add(const SaSpec& sa, Session session, std::string_view in_place_of = {});
  // The same keys on another device: state and numbers go on. Taken up between two bursts; the old
  // session is closed when nothing of it is in flight.
  Result<void> move(std::string_view sa, Session session);
  Result<void> remove(std::string_view sa);
  // For an outbound SA: a dummy packet (RFC 4303 2.6) of this many bytes, or a NAT keepalive (RFC
  // 3948 4). One that finds no room is left away.
  Result<void> send_dummy(std::string_view sa, std::uint32_t bytes);
  Result<void> send_keepalive(std::string_view sa);
  // A device that was found lost by others than its workers: what it has is dropped (law 1), its
  // queues are closed when their SAs have moved away. Makes no event.
  void give_up(std::string_view backend, std::string_view device);

  // The SA as it was added, or nullptr; valid until it is removed.
  const SaSpec* spec(std::string_view sa) const;
  // The SA that the peers could not tell from this one: the same SPI, and outbound the same peer.
  const SaSpec* same_on_wire(const SaSpec& sa) const;
  std::vector<SaStatus> status() const;
  // Of one SA, or nothing if there is none of that name.
  std::optional<SaStatus> status(std::string_view sa) const;
  std::optional<SaCounters> counters(std::string_view sa) const;  // copies no text
  DropCounts drops() const;
  // Grows with all that a worker does with packets and SAs, before it does it: where it has stood
  // still for a while, so have the counters of all SAs. Costs the same for many SAs as for few.
  std::uint64_t activity() const noexcept;
  std::vector<EngineEvent> take_events();
  int event_descriptor() const noexcept;  // readable when take_events() has something

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
