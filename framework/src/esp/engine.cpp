// SPDX-License-Identifier: Apache-2.0
#include "esp/engine_impl.hpp"
#include "esp/kept.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

using namespace esp;

namespace {

SaStatus status_of(const SaState& sa) {
  const OpenDevice& device = *sa.bound->session.device();
  const Endpoint& peer = sa.told_peer();
  return {sa.spec.name,      sa.direction,     sa.spi,
          sa.worker,         device.backend(), device.info().name,
          sa.sequence.get(), sa.packets.get(), sa.bytes.get(),
          sa.errors.get(),   sa.moves.get(),   peer,
          sa.told_expired};
}

}  // namespace

Result<void> check_first_sequence(const SaSpec& sa, std::uint64_t first) {
  const std::uint64_t last = SequenceCounter(sa.esn).last();
  if (first > 0 && first <= last) return {};
  return fail(ErrorCode::invalid,
              fmt::format("SA '{}' cannot begin with sequence number {}: its numbers are 1 to {}{}",
                          sa.name, first, last, sa.esn ? "" : ", since it has no ESN"));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  if (!impl_->stop()) keep_until_exit(std::shared_ptr<Impl>(std::move(impl_)));
}

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
  impl->watches.resize(impl->workers.size());
  impl->handoff = std::make_unique<HandoffMatrix>(static_cast<std::uint32_t>(impl->workers.size()));
  for (auto& worker : impl->workers) worker->connect(*impl->handoff, impl->workers);
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

void Engine::start() {
  for (auto& worker : impl_->workers) {
    impl_->threads.emplace_back([&, w = worker.get()] { w->run(impl_->stopping); });
  }
}

Result<void> Engine::stop() { return impl_->stop(); }

std::size_t Engine::turn(std::uint32_t worker) { return impl_->workers[worker]->turn(); }

Result<void> Engine::add(const SaSpec& sa, Session session, std::string_view in_place_of) {
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
    added = std::make_unique<OutboundSa>(sa, *layout, owner, impl_->options.first_sequence);
  } else {
    added = std::make_unique<InboundSa>(sa, *layout, owner, impl_->options.first_sequence);
  }
  if (added->moving) added->moving->peer = added->moving->told = impl_->peer_now(sa, in_place_of);
  added->bound = std::move(*binding);
  SaState* state = added.get();
  Binding* bound = added->bound.get();
  impl_->sas.insert(std::move(added));
  impl_->on_wire.insert(&state->spec);
  impl_->send(owner, {Command::Kind::add, state, bound, bound->queue});
  for (std::uint32_t i = 0; i < workers && sa.direction == Direction::outbound; ++i) {
    if (i != owner) impl_->send(i, {Command::Kind::add, state, nullptr, nullptr});
  }
  impl_->enter(*state);
  return {};
}

Result<void> Engine::move(std::string_view sa, Session session) {
  impl_->reap();
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) {
    return fail(ErrorCode::not_found, fmt::format("there is no SA named '{}' to move", sa));
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
    return fail(ErrorCode::not_found, fmt::format("there is no SA named '{}' to delete", sa));
  }
  SaState* state = found->get();
  const bool outbound = state->direction == Direction::outbound;
  impl_->on_wire.erase(&state->spec);
  const auto workers = static_cast<std::uint32_t>(impl_->workers.size());
  impl_->forget(*state);
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

Result<void> Engine::send_dummy(std::string_view sa, std::uint32_t bytes) {
  const auto state = impl_->outbound(sa);
  if (!state) return std::unexpected(state.error());
  const auto worker = (*state)->worker;
  impl_->send(worker, {.kind = Command::Kind::send_dummy, .sa = *state, .bytes = bytes});
  return {};
}

Result<void> Engine::send_keepalive(std::string_view sa) {
  const auto state = impl_->outbound(sa);
  if (!state) return std::unexpected(state.error());
  impl_->send((*state)->worker, {.kind = Command::Kind::send_keepalive, .sa = *state});
  return {};
}

void Engine::give_up(std::string_view backend, std::string_view device) {
  impl_->reap();
  for (const QueueEntry& entry : impl_->queues) {
    if (!entry.lost && entry.device->backend() == backend && entry.device->info().name == device) {
      return impl_->give_up(*entry.device);
    }
  }
}

const SaSpec* Engine::spec(std::string_view sa) const {
  const auto found = impl_->sas.find(sa);
  return found == impl_->sas.end() ? nullptr : &(*found)->spec;
}

const SaSpec* Engine::same_on_wire(const SaSpec& sa) const {
  const auto found = impl_->on_wire.find(&sa);
  return found == impl_->on_wire.end() ? nullptr : *found;
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

std::uint64_t Engine::activity() const noexcept {
  std::uint64_t sum = impl_->commands;
  for (const auto& worker : impl_->workers) sum += worker->calls();
  for (const std::uint64_t dropped : drops()) sum += dropped;
  return sum;
}

std::vector<EngineEvent> Engine::take_events() {
  impl_->control.clear();
  impl_->reap();
  if (!impl_->threads.empty()) impl_->watch_workers();
  impl_->watch_lifetimes();
  impl_->watch_paths();
  return std::exchange(impl_->events, {});
}

int Engine::event_descriptor() const noexcept { return impl_->control.descriptor(); }

}  // namespace espalier
