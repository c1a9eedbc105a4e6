// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/command.hpp"
#include "esp/handoff.hpp"
#include "esp/iv_source.hpp"
#include "esp/policy_table.hpp"
#include "esp/spi_table.hpp"
#include "esp/spsc_ring.hpp"
#include "esp/stranger_limit.hpp"
#include "esp/too_big.hpp"
#include "esp/wakeup.hpp"

#include <espalier/engine.hpp>

#include <poll.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace espalier::esp {

// Runs packets of the SAs that it owns to completion: one burst in each direction a turn. An SA
// belongs to worker SPI modulo workers; a packet that arrives at another one is handed over.
// Everything here is for one thread, but for commands(), replies(), wake() and the counters.
class Worker {
 public:
  // `control` is signalled when a reply was posted; it outlives the worker.
  static Result<std::unique_ptr<Worker>> create(const EngineOptions& options, std::uint32_t index,
                                                WorkerPorts ports, const Wakeup& control);

  // All workers of the engine, this one included, and the rings between them.
  void connect(HandoffMatrix& handoff, std::span<const std::unique_ptr<Worker>> peers) noexcept {
    handoff_ = &handoff;
    peers_ = peers;
  }
  void take_commands() noexcept;
  std::size_t turn() noexcept;
  void run(const std::atomic<bool>& stop) noexcept;  // turns until told to stop, sleeps when idle
  // Waits for what is in flight, or gives it up. After the last turn.
  void drain() noexcept;

  SpscRing<Command>& commands() noexcept { return commands_; }
  SpscRing<Reply>& replies() noexcept { return replies_; }
  void wake() noexcept { own_.signal(); }
  SlotPool& pool() noexcept { return pool_; }
  const DropCounters& drops() const noexcept { return drops_; }
  // The queue whose device has the worker's thread at this moment, or nullptr; and how often it has
  // been given it. The same twice, some time apart: the device hangs. Any thread.
  const DeviceQueue* calling() const noexcept { return calling_.load(std::memory_order_relaxed); }
  std::uint64_t calls() const noexcept { return calls_.load(std::memory_order_relaxed); }
  bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }

 private:
  Worker(const EngineOptions& options, std::uint32_t index, WorkerPorts ports, IvSource ivs,
         const Wakeup& control, Wakeup own);

  void take_up(const Command& command);
  void add(const Command& command);
  void move(const Command& command);
  void remove(SaState& sa);
  void followed(const SaState& sa);
  void send_dummy(OutboundSa& sa, std::uint32_t bytes);
  void send_keepalive(const OutboundSa& sa);
  [[gnu::cold, gnu::noinline]] void reply(const Reply& reply) noexcept;
  void send_replies() noexcept;

  std::size_t receive(PacketPort& port, bool inbound) noexcept;
  std::size_t receive_handed_over() noexcept;
  bool others_keep_up() noexcept;
  void outbound(Slot& slot) noexcept;
  void inbound(Slot& slot) noexcept;
  [[gnu::cold, gnu::noinline]] void refuse(Slot& slot, OutboundSa& sa, const InnerPacket& inner,
                                           Drop reason) noexcept;
  void dispatch(Slot& slot) noexcept;
  [[gnu::noinline]] void hand_over(Slot& slot, std::uint32_t owner, bool inbound) noexcept;
  [[gnu::cold, gnu::noinline]] void drop(Slot& slot, Drop reason, SaState* sa = nullptr) noexcept;
  [[gnu::cold, gnu::noinline]] void drop_unknown(Slot& slot, std::uint32_t spi) noexcept;
  [[gnu::cold, gnu::noinline]] void drop_for_want_of_room(Slot& slot, SaState& sa) noexcept;
  // Devices that died with buffers in their hands may cost half of them, not more: the rest is for
  // synchronous ones, which cannot keep any.
  bool room_on(const DeviceQueue& queue) const noexcept {
    return queue.has_room() && (!queue.asynchronous() || stranded_.size() * 2 < pool_.all().size());
  }

  void run_queues() noexcept;
  void call(DeviceQueue& queue) noexcept;
  void take_completed() noexcept;
  void reclaim_stranded() noexcept;
  void retire(SaState& sa) noexcept;
  void finish(Slot& slot, SaState& sa) noexcept;
  [[gnu::cold, gnu::noinline]] static Drop why_not_done(const Slot& slot, bool inbound) noexcept;
  void finish_inbound_packet(Slot& slot, InboundSa& sa) noexcept;
  [[gnu::noinline]] void follow_peer(const Slot& slot, InboundSa& sa) noexcept;
  [[gnu::cold, gnu::noinline]] void hold(Slot& slot) noexcept;
  void let_go(const SaState& sa) noexcept;
  [[gnu::cold, gnu::noinline]] void let_all_go() noexcept;
  bool over(OutboundSa& sa) noexcept;
  [[gnu::cold, gnu::noinline]] bool ended(SaState& sa, std::uint64_t packets,
                                          std::uint64_t bytes) noexcept;
  void release(Slot& slot) noexcept;
  void settle(Binding& binding) noexcept;
  void transmit() noexcept;
  void send(PacketPort& port, std::vector<Packet*>& packets) noexcept;
  bool busy() const noexcept;
  void sleep() noexcept;
  pollfd wait_for(const PacketPort& port) const noexcept;
  void look_at_error(PacketPort& port, short seen) noexcept;

  const std::uint32_t index_;
  const std::uint32_t burst_;
  const std::uint64_t before_first_;  // sequence number, of each outbound SA
  SlotPool pool_;
  WorkerPorts ports_;
  IvSource ivs_;
  PolicyTable policies_;
  SpiTable spis_;
  std::vector<DeviceQueue*> queues_;
  std::vector<DeviceQueue*> leaving_;  // to be dropped once quiesced
  HandoffMatrix* handoff_ = nullptr;
  std::span<const std::unique_ptr<Worker>> peers_;

  std::vector<Slot*> completed_;
  std::vector<Slot*> stranded_;
  const DeviceQueue::Clock clock_;
  DeviceQueue::TimePoint next_reclaim_{};
  AnswerLimit answers_;
  StrangerLimit strangers_;
  std::vector<Packet*> to_wire_;
  std::vector<Packet*> to_clear_;
  // Inbound packets of SAs whose peers have moved: they wait until what answers them goes there.
  std::vector<Slot*> held_;
  DeviceQueue::TimePoint held_since_{};  // the first of them

  SpscRing<Command> commands_{4096};
  SpscRing<Reply> replies_{4096};
  std::vector<Reply> unsent_;  // of this turn; posted at its end, when no pointer is in use
  DropCounters drops_;
  const Wakeup& control_;
  const Wakeup own_;
  std::array<const PacketPort*, 2> gone_{};
  std::optional<DeviceQueue::TimePoint> waits_since_;  // for another worker to keep up
  std::atomic<bool> asleep_{false};
  std::atomic<const DeviceQueue*> calling_{nullptr};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<bool> finished_{false};
};

}  // namespace espalier::esp
