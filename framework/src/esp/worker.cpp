// SPDX-License-Identifier: Apache-2.0
#include "esp/worker.hpp"

#include "esp/bytes.hpp"
#include "esp/inbound.hpp"
#include "esp/outbound.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace espalier::esp {

Result<std::unique_ptr<Worker>> Worker::create(const EngineOptions& options, std::uint32_t index,
                                               WorkerPorts ports, const Wakeup& control) {
  auto ivs = IvSource::create();
  if (!ivs) return std::unexpected(ivs.error());
  auto own = Wakeup::create();
  if (!own) return std::unexpected(own.error());
  return std::unique_ptr<Worker>(
      new Worker(options, index, std::move(ports), std::move(*ivs), control, std::move(*own)));
}

Worker::Worker(const EngineOptions& options, std::uint32_t index, WorkerPorts ports, IvSource ivs,
               const Wakeup& control, Wakeup own)
    : index_(index),
      burst_(std::clamp(options.burst, 1u, 64u)),
      before_first_(options.first_sequence - 1),
      pool_(std::max(options.slots, burst_)),
      ports_(std::move(ports)),
      ivs_(std::move(ivs)),
      clock_(options.clock),
      control_(control),
      own_(std::move(own)) {
  const std::size_t slots = pool_.all().size();
  for (auto* list : {&completed_, &stranded_, &held_}) list->reserve(slots);
  for (auto* list : {&to_wire_, &to_clear_}) list->reserve(slots);
}

std::size_t Worker::turn() noexcept {
  take_commands();
  std::size_t moved = receive(*ports_.wire, true);
  if (others_keep_up()) moved += receive(*ports_.clear, false);
  moved += receive_handed_over();
  run_queues();
  reclaim_stranded();
  transmit();
  while (const auto narrower = ports_.wire->take_path_mtu()) {
    reply({Reply::Kind::path_mtu, nullptr, nullptr, nullptr, narrower->mtu, {narrower->peer, 0}});
  }
  send_replies();
  return moved;
}

// ---- packets in ---------------------------------------------------------------------------------

// Everything that a packet meets is compiled into receive() and run_queues(): measured, that is
// 3 ns a packet less. What it rarely meets is kept out of them (noinline), or they spill registers.
[[gnu::flatten]] std::size_t Worker::receive(PacketPort& port, bool from_wire) noexcept {
  const auto free = pool_.peek(std::min<std::size_t>(burst_, pool_.available()));
  const std::size_t received = port.receive(free);
  pool_.take_peeked(received);
  std::array<Packet*, 64> packets;  // a copy: what is dropped at once is given back
  std::ranges::copy(free.first(received), packets.begin());
  for (Packet* packet : std::span(packets).first(received)) {
    Slot& slot = slot_holding(*packet);
    from_wire ? inbound(slot) : outbound(slot);
  }
  return received;
}

void Worker::outbound(Slot& slot) noexcept {
  const auto inner = parse_inner(slot.packet.view());
  if (!inner) return drop(slot, Drop::out_not_ip);
  OutboundSa* sa = policies_.find(inner->flow);
  if (sa == nullptr) return drop(slot, Drop::out_no_policy);
  if (sa->worker != index_) return hand_over(slot, sa->worker, false);
  if (!room_on(*sa->binding->queue)) return drop_for_want_of_room(slot, *sa);
  if (over(*sa)) return drop(slot, Drop::out_expired, sa);
  if (const auto reason = prepare_outbound(slot, *sa, *inner, ivs_)) {
    return refuse(slot, *sa, *inner, *reason);
  }
  dispatch(slot);
}

// Tells who must know: the control thread of a last number, the sender of a packet that is too big.
void Worker::refuse(Slot& slot, OutboundSa& sa, const InnerPacket& inner, Drop reason) noexcept {
  if (reason == Drop::out_sequence_end && !std::exchange(sa.end_reported, true)) {
    reply({Reply::Kind::sequence_ended, &sa});
  }
  if (reason == Drop::out_too_big && answers_.take(clock_()) &&
      answer_too_big(slot.packet, inner, longest_asked_for(sa, inner.flow.family()))) {
    drops_.count(reason);
    sa.errors.add(1);
    to_clear_.push_back(&slot.packet);
    return;
  }
  drop(slot, reason, &sa);
}

// Before each packet of the SA, dummies too: they use up its numbers as any other does.
bool Worker::over(OutboundSa& sa) noexcept {
  const std::uint64_t sent = sa.counter.current() - before_first_;
  return sa.limit.due(sent, sa.bytes_sealed) && ended(sa, sent, sa.bytes_sealed);
}

// Something of the SA's lifetime is due: tells it. Whether it is over.
bool Worker::ended(SaState& sa, std::uint64_t packets, std::uint64_t bytes) noexcept {
  switch (sa.limit.reach(*sa.spec.lifetime, packets, bytes)) {
    case UsageLimit::Reached::nothing:
      break;
    case UsageLimit::Reached::soft:
      reply({Reply::Kind::soft_limit, &sa});
      break;
    case UsageLimit::Reached::hard:
      reply({Reply::Kind::hard_limit, &sa});
      break;
  }
  return sa.limit.ended();
}

void Worker::inbound(Slot& slot) noexcept {
  if (slot.packet.length < kEspHeader) return drop(slot, Drop::in_truncated);
  const std::uint32_t spi = load_be32(slot.packet.data());
  InboundSa* sa = spis_.find(spi);
  if (sa == nullptr) {
    const std::uint32_t owner = spi % handoff_->workers();
    return owner == index_ ? drop_unknown(slot, spi) : hand_over(slot, owner, true);
  }
  if (sa->limit.ended()) return drop(slot, Drop::in_expired, sa);
  if (!room_on(*sa->binding->queue)) return drop_for_want_of_room(slot, *sa);
  if (const auto reason = prepare_inbound(slot, *sa)) return drop(slot, *reason, sa);
  dispatch(slot);
}

// Whether it is a peer who sends them the control thread knows.
void Worker::drop_unknown(Slot& slot, std::uint32_t spi) noexcept {
  const Endpoint& from = slot.packet.wire.peer;
  if (strangers_.take(from.address, clock_()))
    reply({Reply::Kind::unknown_spi, nullptr, nullptr, nullptr, 0, from, spi});
  drop(slot, Drop::in_no_state);
}

void Worker::drop_for_want_of_room(Slot& slot, SaState& sa) noexcept {
  drop(slot, sa.binding->queue->lost() ? Drop::device_lost : Drop::queue_full, &sa);
}

void Worker::dispatch(Slot& slot) noexcept {
  SaState& sa = *slot.sa;
  slot.binding = sa.binding;
  slot.next = nullptr;
  (sa.head == nullptr ? sa.head : sa.tail->next) = &slot;
  sa.tail = &slot;
  sa.binding->queue->enqueue(slot);
}

void Worker::hand_over(Slot& slot, std::uint32_t owner, bool from_wire) noexcept {
  if (!handoff_->ring(index_, owner).push(slot.packet, from_wire)) {
    return drop(slot, Drop::queue_full);
  }
  Worker& peer = *peers_[owner];
  // One order for all who change it: it either sees that the peer sleeps, or the peer, about to
  // sleep, sees the packet.
  if (peer.asleep_.exchange(false, std::memory_order_acq_rel)) peer.wake();
  release(slot);
}

// Where a packet's SA is another worker's who is slower, its sender is to notice, and not to lose
// packets: they stay where they come from, a TUN device's queue. But not for long, since that
// worker may hang in its device, and other SAs are not to wait for it.
bool Worker::others_keep_up() noexcept {
  constexpr auto kPatience = std::chrono::milliseconds(100);
  for (std::uint32_t to = 0; to < handoff_->workers(); ++to) {
    if (to == index_ || !handoff_->ring(index_, to).fills_up()) continue;
    const auto now = clock_();
    if (!waits_since_) waits_since_ = now;
    return now - *waits_since_ > kPatience;
  }
  waits_since_.reset();
  return true;
}

std::size_t Worker::receive_handed_over() noexcept {
  std::size_t taken = 0;
  for (std::uint32_t from = 0; from < handoff_->workers(); ++from) {
    if (from == index_) continue;
    auto& ring = handoff_->ring(from, index_);
    for (HandedOver* given = ring.front(); given != nullptr && taken < burst_;
         given = ring.front()) {
      Slot* slot = pool_.take();
      if (slot == nullptr) return taken;
      slot->packet.length = given->length;
      slot->packet.wire = given->wire;
      std::memcpy(slot->packet.data(), given->data(), given->length);
      const bool from_wire = given->inbound;
      ring.release();
      from_wire ? inbound(*slot) : outbound(*slot);
      ++taken;
    }
  }
  return taken;
}

void Worker::drop(Slot& slot, Drop reason, SaState* sa) noexcept {
  drops_.count(reason);
  if (sa != nullptr) sa->errors.add(1);
  release(slot);
}

// ---- devices ------------------------------------------------------------------------------------

[[gnu::flatten]] void Worker::run_queues() noexcept {
  completed_.clear();
  for (DeviceQueue* queue : queues_) {
    if (queue->lost()) continue;
    call(*queue);
    if (queue->lost()) reply({Reply::Kind::device_lost, nullptr, nullptr, queue});
  }
  take_completed();
}

// What the control thread sees when a device does not come back. Each is written by this thread
// alone, so that no more than two plain stores are paid.
void Worker::call(DeviceQueue& queue) noexcept {
  if (queue.idle()) return;
  calls_.store(calls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  calling_.store(&queue, std::memory_order_relaxed);
  queue.run(completed_);
  calling_.store(nullptr, std::memory_order_relaxed);
}

void Worker::take_completed() noexcept {
  for (Slot* slot : completed_) {
    settle(*slot->binding);
    if (slot == slot->sa->head) retire(*slot->sa);  // others wait for it, or went with it
  }
}

void Worker::retire(SaState& sa) noexcept {
  Slot* slot = sa.head;
  while (slot != nullptr &&
         (slot->state == Slot::State::done || slot->state == Slot::State::stranded)) {
    Slot* const next = slot->next;
    sa.head = next;
    finish(*slot, sa);
    slot = next;
  }
  if (sa.head == nullptr && sa.removed) {
    sa.removed = false;
    reply({Reply::Kind::sa_removed, &sa});
  }
}

Drop Worker::why_not_done(const Slot& slot, bool inbound_packet) noexcept {
  if (slot.outcome == ESPALIER_OP_LOST) return Drop::device_lost;
  return slot.outcome == ESPALIER_OP_BAD_ICV && inbound_packet ? Drop::in_bad_icv
                                                               : Drop::device_failed;
}

void Worker::finish(Slot& slot, SaState& sa) noexcept {
  const bool inbound_packet = sa.direction == Direction::inbound;
  if (slot.outcome != ESPALIER_OP_DONE) return drop(slot, why_not_done(slot, inbound_packet), &sa);
  if (inbound_packet) return finish_inbound_packet(slot, static_cast<InboundSa&>(sa));
  sa.packets.add(1);
  sa.bytes.add(slot.inner_length);
  to_wire_.push_back(&slot.packet);
}

void Worker::finish_inbound_packet(Slot& slot, InboundSa& sa) noexcept {
  if (sa.limit.due(sa.packets.get(), sa.bytes.get()) &&
      ended(sa, sa.packets.get(), sa.bytes.get())) {
    return drop(slot, Drop::in_expired, &sa);
  }
  const auto reason = finish_inbound(slot, sa);
  if (sa.moving != nullptr && reason != Drop::in_replay) follow_peer(slot, sa);
  if (reason) {
    if (*reason == Drop::in_dummy) return drop(slot, *reason);  // no fault of the SA's
    return drop(slot, *reason, &sa);
  }
  sa.packets.add(1);
  sa.bytes.add(slot.packet.length);
  if (sa.moving != nullptr && sa.moving->unanswered > 0) return hold(slot);
  to_clear_.push_back(&slot.packet);
}

// An authentic packet that is the newest of all shows where the peer is now (RFC 7296 2.23).
void Worker::follow_peer(const Slot& slot, InboundSa& sa) noexcept {
  if (slot.sequence != sa.window.top() || slot.packet.wire.peer == sa.moving->peer) return;
  sa.moving->peer = slot.packet.wire.peer;
  if (!sa.removed) ++sa.moving->unanswered;
  reply({Reply::Kind::peer_moved, &sa, nullptr, nullptr, 0, sa.moving->peer});
}

// ---- while a peer moves -------------------------------------------------------------------------

// Whoever gets the packet may answer at once; the control thread first makes the way to where the
// peer is now. It gets the time that a sender would notice, and the memory that others can spare.
void Worker::hold(Slot& slot) noexcept {
  if (held_.empty()) held_since_ = clock_();
  held_.push_back(&slot);
  if (held_.size() * 4 > pool_.all().size()) let_all_go();
}

// In the order in which they came.
void Worker::let_go(const SaState& sa) noexcept {
  std::erase_if(held_, [&](Slot* slot) {
    if (slot->sa != &sa) return false;
    to_clear_.push_back(&slot->packet);
    return true;
  });
}

void Worker::let_all_go() noexcept {
  for (Slot* slot : held_) {
    slot->sa->moving->unanswered = 0;
    to_clear_.push_back(&slot->packet);
  }
  held_.clear();
}

void Worker::release(Slot& slot) noexcept {
  if (slot.state == Slot::State::stranded) {
    stranded_.push_back(&slot);
  } else {
    pool_.give_back(&slot);
  }
}

// Buffers of lost devices come back once the device has been quiesced (law 9).
void Worker::reclaim_stranded() noexcept {
  if (stranded_.empty() && leaving_.empty()) return;
  const auto now = clock_();
  if (now < next_reclaim_) return;
  next_reclaim_ = now + std::chrono::milliseconds(1);
  std::erase_if(stranded_, [&](Slot* slot) {
    if (!slot->binding->queue->quiesce(std::chrono::milliseconds(0))) return false;
    --slot->binding->in_flight;
    settle(*slot->binding);
    pool_.give_back(slot);
    return true;
  });
  std::erase_if(leaving_, [&](DeviceQueue* queue) {
    if (!queue->quiesce(std::chrono::milliseconds(0))) return false;
    std::erase(queues_, queue);
    reply({Reply::Kind::queue_dropped, nullptr, nullptr, queue});
    return true;
  });
}

void Worker::settle(Binding& binding) noexcept {
  if (!binding.retired || binding.in_flight > 0) return;
  binding.retired = false;
  reply({Reply::Kind::binding_closed, nullptr, &binding});
}

// ---- packets out --------------------------------------------------------------------------------

void Worker::transmit() noexcept {
  constexpr auto kPatience = std::chrono::milliseconds(100);
  if (!held_.empty() && clock_() - held_since_ > kPatience) let_all_go();
  if (!to_wire_.empty()) send(*ports_.wire, to_wire_);
  if (!to_clear_.empty()) send(*ports_.clear, to_clear_);
}

void Worker::send(PacketPort& port, std::vector<Packet*>& packets) noexcept {
  const std::size_t sent = port.send(packets);
  for (std::size_t i = sent; i < packets.size(); ++i) drops_.count(Drop::send_failed);
  for (Packet* packet : packets) pool_.give_back(&slot_holding(*packet));
  packets.clear();
}

}  // namespace espalier::esp
