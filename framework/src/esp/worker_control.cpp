// SPDX-License-Identifier: Apache-2.0
//
// The worker's side of the control thread: commands, replies, sleeping and stopping.
#include "esp/worker.hpp"

#include "esp/outbound.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <thread>

namespace espalier::esp {

void Worker::take_commands() noexcept {
  while (Command* command = commands_.front()) {
    take_up(*command);
    commands_.release();
  }
}

void Worker::take_up(const Command& command) {
  switch (command.kind) {
    case Command::Kind::none:
      return;
    case Command::Kind::add:
      return add(command);
    case Command::Kind::move:
      return move(command);
    case Command::Kind::remove:
      return remove(*command.sa);
    case Command::Kind::lose_queue:
      completed_.clear();
      command.queue->lose("it was given up", completed_);
      return take_completed();
    case Command::Kind::set_peer:
      command.sa->moving->peer = command.peer;
      return;
    case Command::Kind::followed:
      return followed(*command.sa);
    case Command::Kind::set_longest:
      static_cast<OutboundSa&>(*command.sa).longest = command.bytes;
      return;
    case Command::Kind::expire:
      command.sa->limit.end();
      return;
    case Command::Kind::send_dummy:
      return send_dummy(static_cast<OutboundSa&>(*command.sa), command.bytes);
    case Command::Kind::send_keepalive:
      return send_keepalive(static_cast<const OutboundSa&>(*command.sa));
    case Command::Kind::drop_queue:
      leaving_.push_back(command.queue);
      return;
  }
}

void Worker::add(const Command& command) {
  SaState& sa = *command.sa;
  if (command.binding != nullptr) {
    sa.binding = command.binding;
    if (std::ranges::find(queues_, command.queue) == queues_.end()) {
      queues_.push_back(command.queue);
    }
  }
  if (sa.direction == Direction::outbound) {
    policies_.add(static_cast<OutboundSa&>(sa));
  } else {
    spis_.insert(sa.spi, static_cast<InboundSa&>(sa));
  }
}

void Worker::move(const Command& command) {
  SaState& sa = *command.sa;
  Binding& old = *sa.binding;
  sa.binding = command.binding;
  if (std::ranges::find(queues_, command.queue) == queues_.end()) {
    queues_.push_back(command.queue);
  }
  sa.moves.add(1);
  old.retired = true;
  settle(old);
}

void Worker::remove(SaState& sa) {
  if (sa.direction == Direction::outbound) {
    policies_.remove(static_cast<OutboundSa&>(sa));
  } else {
    spis_.erase(sa.spi);
  }
  if (sa.worker != index_) {
    reply({Reply::Kind::sa_removed, &sa});
    return;
  }
  if (sa.moving != nullptr) {
    sa.moving->unanswered = 0;
    let_go(sa);
  }
  sa.binding->retired = true;
  settle(*sa.binding);
  sa.removed = true;
  retire(sa);
}

void Worker::followed(const SaState& sa) {
  std::uint32_t& unanswered = sa.moving->unanswered;
  if (unanswered > 0) --unanswered;
  if (unanswered == 0) let_go(sa);
}

void Worker::send_dummy(OutboundSa& sa, std::uint32_t bytes) {
  if (sa.binding->queue->lost() || !room_on(*sa.binding->queue)) return;
  if (over(sa)) return;
  Slot* slot = pool_.take();
  if (slot == nullptr) return;
  slot->packet.length = std::min(bytes, sa.longest);  // no packet that the path takes is longer
  std::ranges::fill(slot->packet.view(), std::uint8_t{0});
  if (const auto reason = prepare_dummy(*slot, sa, ivs_)) return drop(*slot, *reason, &sa);
  dispatch(*slot);
}

// RFC 3948 2.3 and 4.
void Worker::send_keepalive(const OutboundSa& sa) {
  Slot* slot = pool_.take();
  if (slot == nullptr) return;
  slot->packet.length = 1;
  *slot->packet.data() = 0xff;
  slot->packet.wire = {sa.spec.local, sa.peer(), 0, true};
  to_wire_.push_back(&slot->packet);
}

void Worker::reply(const Reply& reply) noexcept { unsent_.push_back(reply); }

void Worker::send_replies() noexcept {
  if (unsent_.empty()) return;
  std::size_t sent = 0;
  while (sent < unsent_.size() && replies_.push(Reply(unsent_[sent]))) ++sent;
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
  control_.signal();
}

// Whether there is something to look after that no descriptor will tell of.
bool Worker::busy() const noexcept {
  return !stranded_.empty() || !leaving_.empty() || !held_.empty() || !unsent_.empty() ||
         waits_since_ || std::ranges::any_of(queues_, [](const DeviceQueue* queue) {
           return !queue->lost() && !queue->idle();
         });
}

void Worker::run(const std::atomic<bool>& stop) noexcept {
  constexpr int kTurnsBeforeSleep = 8;
  int idle = 0;
  finished_.store(false, std::memory_order_relaxed);
  while (!stop.load(std::memory_order_relaxed)) {
    idle = turn() > 0 ? 0 : idle + 1;
    if (idle < kTurnsBeforeSleep) continue;
    if (busy()) {
      std::this_thread::yield();
    } else {
      sleep();
    }
  }
  drain();
  finished_.store(true, std::memory_order_release);
}

void Worker::sleep() noexcept {
  std::array<pollfd, 3> waits{
      {{own_.descriptor(), POLLIN, 0}, wait_for(*ports_.wire), wait_for(*ports_.clear)}};
  if (ports_.wire->descriptor() < 0 || ports_.clear->descriptor() < 0) {
    std::this_thread::yield();
    return;
  }
  static_cast<void>(asleep_.exchange(true, std::memory_order_acq_rel));
  bool work = commands_.front() != nullptr;
  for (std::uint32_t from = 0; from < handoff_->workers() && !work; ++from) {
    work = from != index_ && handoff_->ring(from, index_).front() != nullptr;
  }
  if (!work) static_cast<void>(poll(waits.data(), waits.size(), -1));
  asleep_.store(false, std::memory_order_release);
  if ((waits[0].revents & POLLIN) != 0) own_.clear();
  look_at_error(*ports_.wire, waits[1].revents);
  look_at_error(*ports_.clear, waits[2].revents);
}

// A port that is gone is not waited for: it would never let the worker sleep.
pollfd Worker::wait_for(const PacketPort& port) const noexcept {
  const bool gone = std::ranges::find(gone_, &port) != gone_.end();
  return {gone ? -1 : port.descriptor(), POLLIN, 0};
}

void Worker::look_at_error(PacketPort& port, short seen) noexcept {
  if ((seen & (POLLERR | POLLHUP | POLLNVAL)) == 0 || port.look_at_error()) return;
  gone_[&port == ports_.wire.get() ? 0 : 1] = &port;
  reply({Reply::Kind::port_gone});
}

void Worker::drain() noexcept {
  using std::chrono::milliseconds;
  if (pool_.abandoned()) return;
  take_commands();
  let_all_go();
  const auto limit = std::chrono::steady_clock::now() + DeviceQueue::kStall + milliseconds(100);
  while (busy() && std::chrono::steady_clock::now() < limit) {
    take_commands();
    run_queues();
    reclaim_stranded();
    transmit();
    send_replies();
  }
  bool quiet = true;
  for (DeviceQueue* queue : queues_) quiet = queue->quiesce(milliseconds(100)) && quiet;
  next_reclaim_ = {};
  reclaim_stranded();
  if (!quiet || !stranded_.empty()) pool_.abandon();
  send_replies();
}

}  // namespace espalier::esp
