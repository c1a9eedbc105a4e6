// SPDX-License-Identifier: Apache-2.0
#include "esp/engine_impl.hpp"

#include "esp/kept.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace espalier {

using namespace esp;

namespace {

constexpr std::chrono::seconds kStopLimit{3};  // for all workers, above what draining takes

std::uint16_t longest_packet(const OpenDevice& device, const Transform& transform) {
  std::uint32_t longest = kMaxEspPacket;
  for (const Capability& capability : device.info().capabilities) {
    if (capability.cipher == transform.cipher && capability.integrity == transform.integrity &&
        capability.max_length != 0) {
      longest = std::min(longest, capability.max_length);
    }
  }
  return static_cast<std::uint16_t>(longest);
}

}  // namespace

// Its workers have stopped.
Engine::Impl::~Impl() {
  for (auto& worker : workers) worker->drain();
  reap();
  keep_what_devices_hold();
  sas.clear();
  leaving.clear();
  closing.clear();
  for (QueueEntry& entry : queues) {
    if (entry.queue == nullptr) continue;
    entry.queue.reset();
    if (entry.attached) entry.device->detach(workers[entry.worker]->pool().memory());
  }
  queues.clear();
  workers.clear();
}

// A device that did not let go of its buffers may still use them, its sessions and its queue: these
// stay until the process ends, as the worker's buffers do.
void Engine::Impl::keep_what_devices_hold() {
  const auto held = [](const auto& binding) {
    return binding != nullptr && !binding->queue->quiesced();
  };
  for (const auto& sa : sas) {
    if (held(sa->bound)) keep_until_exit(std::move(sa->bound));
  }
  for (auto& [key, binding] : closing) {
    if (held(binding)) keep_until_exit(std::move(binding));
  }
  for (QueueEntry& entry : queues) {
    if (!entry.queue->quiesced()) keep_until_exit(std::move(entry.queue));
  }
}

Result<void> Engine::Impl::stop() {
  stopping.store(true, std::memory_order_relaxed);
  for (auto& worker : workers) worker->wake();
  const auto limit = std::chrono::steady_clock::now() + kStopLimit;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    while (!workers[i]->finished() && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (const DeviceQueue* in = workers[i]->finished() ? nullptr : workers[i]->calling()) {
      return fail(ErrorCode::lost,
                  fmt::format("worker {} cannot be stopped: device {} of backend {} does not give "
                              "its thread back",
                              i, in->device().info().name, in->device().backend()));
    }
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  stopping.store(false, std::memory_order_relaxed);
  return {};
}

// ---- replies ------------------------------------------------------------------------------------

void Engine::Impl::reap() {
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    send_waiting(i);
    while (Reply* reply = workers[i]->replies().front()) {
      take(*reply);
      workers[i]->replies().release();
    }
  }
}

void Engine::Impl::give_up(const OpenDevice& device) {
  for (QueueEntry& entry : queues) {
    if (entry.device.get() != &device || entry.lost) continue;
    entry.lost = true;
    send(entry.worker, {.kind = Command::Kind::lose_queue, .queue = entry.queue.get()});
    drop_if_unused(entry);
  }
}

void Engine::Impl::take(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::none:
      break;
    case Reply::Kind::sa_removed: {
      const auto found = leaving.find(reply.sa);
      if (found != leaving.end() && --found->second.waiting_for == 0) leaving.erase(found);
      break;
    }
    case Reply::Kind::binding_closed: {
      QueueEntry& entry = entry_of(reply.binding->queue);
      closing.erase(reply.binding);
      events.push_back(
          {EngineEvent::Kind::session_closed, entry.device->backend(), entry.device->info().name});
      --entry.bindings;
      drop_if_unused(entry);
      break;
    }
    case Reply::Kind::queue_dropped: {
      QueueEntry& entry = entry_of(reply.queue);
      entry.queue.reset();
      if (entry.attached) entry.device->detach(workers[entry.worker]->pool().memory());
      queues.remove_if([&](const QueueEntry& e) { return &e == &entry; });
      break;
    }
    case Reply::Kind::device_lost: {
      QueueEntry& entry = entry_of(reply.queue);
      entry.lost = true;
      events.push_back({EngineEvent::Kind::device_lost, entry.device->backend(),
                        entry.device->info().name, "", reply.queue->why_lost()});
      drop_if_unused(entry);
      break;
    }
    case Reply::Kind::sequence_ended:
      events.push_back({EngineEvent::Kind::sequence_ended, "", "", reply.sa->spec.name,
                        "it has used its last sequence number"});
      break;
    case Reply::Kind::soft_limit:
      events.push_back({EngineEvent::Kind::soft_lifetime, "", "", reply.sa->spec.name,
                        "it has carried what its soft lifetime allows"});
      break;
    case Reply::Kind::hard_limit:
      reply.sa->told_expired = true;
      events.push_back({EngineEvent::Kind::hard_lifetime, "", "", reply.sa->spec.name,
                        "it has carried what its hard lifetime allows"});
      break;
    case Reply::Kind::peer_moved:
      follow_peer(*reply.sa, reply.peer);
      break;
    case Reply::Kind::port_gone:
      events.push_back({EngineEvent::Kind::port_gone, "", "", "",
                        "the TUN device is gone, so that nothing can be carried"});
      break;
    case Reply::Kind::path_mtu:
      narrow_path(reply.peer.address, reply.bytes);
      break;
    case Reply::Kind::unknown_spi:
      note_unknown_spi(reply.peer.address, reply.spi);
      break;
  }
}

// The queue of a lost device goes once its sessions have; others stay open for the next SA.
void Engine::Impl::drop_if_unused(QueueEntry& entry) {
  if (entry.lost && entry.bindings == 0 && !std::exchange(entry.leaving, true)) {
    send(entry.worker, {.kind = Command::Kind::drop_queue, .queue = entry.queue.get()});
  }
}

QueueEntry& Engine::Impl::entry_of(const DeviceQueue* queue) {
  return *std::ranges::find_if(queues, [&](const auto& e) { return e.queue.get() == queue; });
}

// ---- commands -----------------------------------------------------------------------------------

void Engine::Impl::send(std::uint32_t index, Command command) {
  ++commands;
  watches[index].unsent.push_back(command);
  send_waiting(index);
}

// A ring that is full is left to its worker to empty: the rest follows with the next call.
void Engine::Impl::send_waiting(std::uint32_t index) {
  std::deque<Command>& unsent = watches[index].unsent;
  if (unsent.empty()) return;
  while (!unsent.empty()) {
    if (workers[index]->commands().push(Command(unsent.front()))) {
      unsent.pop_front();
    } else if (threads.empty()) {
      workers[index]->take_commands();  // nobody else runs the worker
    } else {
      break;
    }
  }
  workers[index]->wake();
}

Result<QueueEntry*> Engine::Impl::queue_for(const std::shared_ptr<OpenDevice>& device,
                                            std::uint32_t worker) {
  for (QueueEntry& entry : queues) {
    if (entry.device == device && entry.worker == worker && !entry.lost) return &entry;
  }
  auto queue = device->open_queue();
  if (!queue) return std::unexpected(queue.error());
  SlotPool& pool = workers[worker]->pool();
  std::uint64_t iova = 0;
  if (device->info().needs_dma) {
    const auto attached = device->attach(pool.memory());
    if (!attached) return std::unexpected(attached.error());
    iova = *attached;
  }
  queues.push_back({std::make_unique<DeviceQueue>(std::move(*queue), pool, iova, options.clock),
                    device, worker, 0, false, false, device->info().needs_dma});
  return &queues.back();
}

Result<std::unique_ptr<Binding>> Engine::Impl::bind(const Transform& transform, Session session,
                                                    std::uint32_t worker) {
  auto entry = queue_for(session.device(), worker);
  if (!entry) return std::unexpected(entry.error());
  auto binding = std::make_unique<Binding>();
  binding->max_length = longest_packet(*session.device(), transform);
  binding->session = std::move(session);
  binding->queue = (*entry)->queue.get();
  ++(*entry)->bindings;
  return binding;
}

Result<void> Engine::Impl::check_new(const SaSpec& sa, const Session& session) const {
  if (auto valid = validate(sa); !valid) return valid;
  if (!session) return fail(ErrorCode::invalid, fmt::format("SA '{}' has no session", sa.name));
  if (sas.contains(sa.name)) {
    return fail(
        ErrorCode::conflict,
        fmt::format("there is an SA named '{}' already; delete it first, or rekey it", sa.name));
  }
  if (const auto taken = on_wire.find(&sa); taken != on_wire.end()) {
    return std::unexpected(spi_taken(sa, **taken, (*taken)->name));
  }
  return check_first_sequence(sa, options.first_sequence);
}

Result<SaState*> Engine::Impl::outbound(std::string_view sa) const {
  const auto found = sas.find(sa);
  if (found == sas.end() || (*found)->direction != Direction::outbound) {
    return fail(ErrorCode::not_found, fmt::format("there is no outbound SA named '{}'", sa));
  }
  return found->get();
}

}  // namespace espalier
