// SPDX-License-Identifier: Apache-2.0
#include <espalier/engine.hpp>

#include "esp/kept.hpp"
#include "esp/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace espalier {

using namespace esp;

namespace {

// A queue to a device, for one worker. `bindings` of it are open.
struct QueueEntry {
  std::unique_ptr<DeviceQueue> queue;
  std::shared_ptr<OpenDevice> device;
  std::uint32_t worker = 0;
  std::uint32_t bindings = 0;
  bool lost = false;
  bool attached = false;
};

// SAs are kept by the name that stands in them.
struct SaName {
  using is_transparent = void;
  static std::string_view of(const std::unique_ptr<SaState>& sa) { return sa->spec.name; }
  static std::string_view of(std::string_view name) { return name; }
};
struct SaNameHash : SaName {
  std::size_t operator()(const auto& sa) const noexcept {
    return std::hash<std::string_view>{}(of(sa));
  }
};
struct SaNameEqual : SaName {
  bool operator()(const auto& a, const auto& b) const noexcept { return of(a) == of(b); }
};

// An SA that was removed and that workers still have to let go of.
struct LeavingSa {
  std::unique_ptr<SaState> state;
  std::uint32_t waiting_for = 0;
};

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

SaStatus status_of(const SaState& sa) {
  const OpenDevice& device = *sa.bound->session.device();
  return {sa.spec.name,       sa.direction,      sa.spi,           sa.worker,      device.backend(),
          device.info().name, sa.sequence.get(), sa.packets.get(), sa.bytes.get(), sa.errors.get(),
          sa.moves.get()};
}

}  // namespace

struct Engine::Impl {
  EngineOptions options;
  Wakeup control;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<HandoffMatrix> handoff;
  std::list<QueueEntry> queues;
  std::unordered_map<const Binding*, std::unique_ptr<Binding>> closing;  // sent for, not yet back
  std::unordered_set<std::unique_ptr<SaState>, SaNameHash, SaNameEqual> sas;
  std::unordered_map<const SaState*, LeavingSa> leaving;
  std::unordered_map<std::uint32_t, const SaState*> inbound_spis;
  std::vector<EngineEvent> events;
  std::vector<std::thread> threads;
  std::atomic<bool> stopping{false};

  Impl(const EngineOptions& given, Wakeup wakeup) : options(given), control(std::move(wakeup)) {}
  ~Impl();
  void send(std::uint32_t worker, Command command);
  void reap();
  void take(const Reply& reply);
  void drop_if_unused(QueueEntry& entry);
  Result<QueueEntry*> queue_for(const std::shared_ptr<OpenDevice>& device, std::uint32_t worker);
  Result<std::unique_ptr<Binding>> bind(const Transform& transform, Session session,
                                        std::uint32_t worker);
  Result<void> check_new(const SaSpec& sa, const Session& session) const;
  QueueEntry& entry_of(const DeviceQueue* queue);
  // Keeps a binding that a worker was told to let go of, until it says that it has.
  void retire(std::unique_ptr<Binding> binding) {
    const Binding* key = binding.get();
    closing.emplace(key, std::move(binding));
  }
  void keep_what_devices_hold();
  void stop();
};

Engine::Impl::~Impl() {
  stop();
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

void Engine::Impl::stop() {
  stopping.store(true, std::memory_order_relaxed);
  for (auto& worker : workers) worker->wake();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  stopping.store(false, std::memory_order_relaxed);
}

// ---- replies ------------------------------------------------------------------------------------

void Engine::Impl::reap() {
  for (auto& worker : workers) {
    while (Reply* reply = worker->replies().front()) {
      take(*reply);
      worker->replies().release();
    }
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
      events.push_back({EngineEvent::Kind::session_closed, entry.device->backend(),
                        entry.device->info().name, "", ""});
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
                        entry.device->info().name, reply.queue->why_lost(), ""});
      drop_if_unused(entry);
      break;
    }
    case Reply::Kind::sequence_ended:
      events.push_back({EngineEvent::Kind::sequence_ended, "", "", "", reply.sa->spec.name});
      break;
  }
}

// The queue of a lost device goes once its sessions have; others stay open for the next SA.
void Engine::Impl::drop_if_unused(QueueEntry& entry) {
  if (entry.lost && entry.bindings == 0) {
    send(entry.worker, {Command::Kind::drop_queue, nullptr, nullptr, entry.queue.get()});
  }
}

QueueEntry& Engine::Impl::entry_of(const DeviceQueue* queue) {
  return *std::ranges::find_if(queues, [&](const auto& e) { return e.queue.get() == queue; });
}

// ---- commands -----------------------------------------------------------------------------------

void Engine::Impl::send(std::uint32_t index, Command command) {
  Worker& worker = *workers[index];
  while (!worker.commands().push(std::move(command))) {
    if (threads.empty()) {
      worker.take_commands();  // nobody else runs the worker
    } else {
      worker.wake();
      std::this_thread::yield();
    }
  }
  worker.wake();
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
                    device, worker, 0, false, device->info().needs_dma});
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
  if (!session) return fail(ErrorCode::invalid, fmt::format("SA {} has no session", sa.name));
  if (sa.mode != Mode::tunnel) {
    return fail(ErrorCode::unsupported,
                fmt::format("SA {} asks for transport mode, which the userspace engine does not "
                            "carry; use tunnel mode",
                            sa.name));
  }
  if (sas.contains(sa.name)) {
    return fail(
        ErrorCode::conflict,
        fmt::format("there is an SA named {} already; delete it first, or rekey it", sa.name));
  }
  const auto spi = inbound_spis.find(sa.spi);
  if (sa.direction == Direction::inbound && spi != inbound_spis.end()) {
    return fail(ErrorCode::conflict,
                fmt::format("SPI {:#x} of SA {} is that of inbound SA {} already; choose another",
                            sa.spi, sa.name, spi->second->spec.name));
  }
  return {};
}

// ---- the public side ----------------------------------------------------------------------------

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options,
                                               std::vector<WorkerPorts> ports) {
  if (ports.empty()) return fail(ErrorCode::invalid, "an engine needs at least one worker");
  auto control = Wakeup::create();
  if (!control) return std::unexpected(control.error());
  auto impl = std::make_unique<Impl>(options, std::move(*control));
  for (WorkerPorts& pair : ports) {
    auto worker = Worker::create(options, static_cast<std::uint32_t>(impl->workers.size()),
                                 std::move(pair), impl->control);
    if (!worker) return std::unexpected(worker.error());
    impl->workers.push_back(std::move(*worker));
  }
  impl->handoff = std::make_unique<HandoffMatrix>(static_cast<std::uint32_t>(impl->workers.size()));
  for (auto& worker : impl->workers) worker->connect(*impl->handoff, impl->workers);
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

void Engine::start() {
  for (auto& worker : impl_->workers) {
    impl_->threads.emplace_back([&, w = worker.get()] { w->run(impl_->stopping); });
  }
}

void Engine::stop() { impl_->stop(); }

std::size_t Engine::turn(std::uint32_t worker) { return impl_->workers[worker]->turn(); }

Result<void> Engine::add(const SaSpec& sa, Session session) {
  impl_->reap();
  if (auto checked = impl_->check_new(sa, session); !checked) return checked;
  const auto layout = layout_of(sa.transform);
  if (!layout) return std::unexpected(layout.error());
  const auto workers = static_cast<std::uint32_t>(impl_->workers.size());
  const std::uint32_t owner = sa.spi % workers;
  auto binding = impl_->bind(sa.transform, std::move(session), owner);
  if (!binding) return std::unexpected(binding.error());

  std::unique_ptr<SaState> added;
  if (sa.direction == Direction::outbound) {
    added = std::make_unique<OutboundSa>(sa, *layout, owner);
  } else {
    added = std::make_unique<InboundSa>(sa, *layout, owner);
    impl_->inbound_spis.emplace(sa.spi, added.get());
  }
  added->bound = std::move(*binding);
  SaState* state = added.get();
  Binding* bound = added->bound.get();
  impl_->sas.insert(std::move(added));
  impl_->send(owner, {Command::Kind::add, state, bound, bound->queue});
  for (std::uint32_t i = 0; i < workers && sa.direction == Direction::outbound; ++i) {
    if (i != owner) impl_->send(i, {Command::Kind::add, state, nullptr, nullptr});
  }
  return {};
}

Result<void> Engine::move(std::string_view sa, Session session) {
  impl_->reap();
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) {
    return fail(ErrorCode::not_found, fmt::format("there is no SA named {} to move", sa));
  }
  SaState& state = **found;
  auto binding = impl_->bind(state.spec.transform, std::move(session), state.worker);
  if (!binding) return std::unexpected(binding.error());
  impl_->retire(std::exchange(state.bound, std::move(*binding)));
  Binding* bound = state.bound.get();
  impl_->send(state.worker, {Command::Kind::move, &state, bound, bound->queue});
  return {};
}

Result<void> Engine::remove(std::string_view sa) {
  impl_->reap();
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) {
    return fail(ErrorCode::not_found, fmt::format("there is no SA named {} to delete", sa));
  }
  SaState* state = found->get();
  const bool outbound = state->direction == Direction::outbound;
  if (!outbound) impl_->inbound_spis.erase(state->spi);
  const auto workers = static_cast<std::uint32_t>(impl_->workers.size());
  impl_->retire(std::move(state->bound));
  impl_->leaving.emplace(
      state, LeavingSa{std::move(impl_->sas.extract(found).value()), outbound ? workers : 1});
  for (std::uint32_t i = 0; i < workers; ++i) {
    if (outbound || i == state->worker) {
      impl_->send(i, {Command::Kind::remove, state, nullptr, nullptr});
    }
  }
  return {};
}

const SaSpec* Engine::spec(std::string_view sa) const {
  const auto found = impl_->sas.find(sa);
  return found == impl_->sas.end() ? nullptr : &(*found)->spec;
}

std::vector<SaStatus> Engine::status() const {
  std::vector<SaStatus> all;
  all.reserve(impl_->sas.size());
  for (const auto& sa : impl_->sas) all.push_back(status_of(*sa));
  std::ranges::sort(all, {}, &SaStatus::name);
  return all;
}

std::optional<SaStatus> Engine::status(std::string_view sa) const {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return std::nullopt;
  return status_of(**found);
}

std::optional<SaCounters> Engine::counters(std::string_view sa) const {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return std::nullopt;
  const SaState& state = **found;
  return SaCounters{state.sequence.get(), state.packets.get(), state.bytes.get(),
                    state.errors.get(), state.moves.get()};
}

DropCounts Engine::drops() const {
  DropCounts counts{};
  for (const auto& worker : impl_->workers) {
    for (std::size_t i = 0; i < kDropKinds; ++i) counts[i] += worker->drops().get(Drop(i));
  }
  return counts;
}

std::vector<EngineEvent> Engine::take_events() {
  impl_->control.clear();
  impl_->reap();
  return std::exchange(impl_->events, {});
}

int Engine::event_descriptor() const noexcept { return impl_->control.descriptor(); }

}  // namespace espalier
