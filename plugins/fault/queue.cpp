// SPDX-License-Identifier: Apache-2.0
#include "queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace espalier::fault {
namespace {

// The decorated device does its work only where the fault is in what comes after.
bool does_the_work(Fault fault) {
  return fault == Fault::none || fault == Fault::corrupt || fault == Fault::twice ||
         fault == Fault::foreign || fault == Fault::change_cookie;
}

// The byte before the ICV is padding or next header on the way in, and authenticated on the way
// out: the one at which nobody can look past.
void corrupt(const espalier_op& op) {
  std::uint8_t* const to = op.dst == nullptr ? op.esp : op.dst;
  to[op.icv_offset - 1] ^= 1;
}

}  // namespace

FaultQueue::FaultQueue(Decorated& decorated, Fate& fate, std::uint64_t generation, void* inner,
                       bool inner_is_asynchronous)
    : decorated_(decorated),
      fate_(fate),
      generation_(generation),
      inner_(inner),
      asynchronous_(inner_is_asynchronous) {
  foreign_.status = ESPALIER_OP_DONE;
}

FaultQueue::~FaultQueue() { decorated_.userspace().queue_close(inner_); }

std::uint32_t FaultQueue::submit(espalier_op* const* ops, std::uint32_t n) {
  const std::uint32_t limit = std::min(n, fate_.script().accept);
  const auto delay = std::chrono::nanoseconds(fate_.script().delay).count();
  const std::uint64_t due = fate_.now() + static_cast<std::uint64_t>(delay);
  std::uint32_t accepted = 0;
  while (accepted < limit && flights_.size() < kDepth) {
    const auto fault = fate_.next_op(generation_);
    if (!fault) break;
    espalier_op* const op = ops[accepted++];
    using enum Flight::State;
    flights_.push_back(std::make_unique<Flight>(
        Flight{op, *fault, due, does_the_work(*fault) ? waiting : done, *op}));
  }
  run_inner();
  return accepted;
}

std::uint32_t FaultQueue::poll(espalier_op** ops, std::uint32_t n) {
  run_inner();  // also of a dead one: what is in flight inside has to come out
  if (!fate_.alive(generation_)) return 0;
  std::uint32_t given = 0;
  for (; given < n && !extra_.empty(); extra_.pop_front()) ops[given++] = extra_.front();
  for (Flight* flight : ready()) {
    if (given == n) break;
    ops[given++] = flight->op;
    give_back(*flight);
  }
  std::erase_if(flights_, [](const auto& flight) { return flight->op == nullptr; });
  return given;
}

espalier_status FaultQueue::quiesce(std::uint64_t deadline_ns) {
  if (const auto refusal = fate_.refusal(Call::quiesce)) return refusal->status;
  if (asynchronous_) {
    const auto status = decorated_.userspace().queue_quiesce(inner_, deadline_ns);
    if (status != ESPALIER_OK) return status;
  }
  flights_.clear();
  extra_.clear();
  return ESPALIER_OK;
}

void FaultQueue::run_inner() {
  if (!asynchronous_) return process_waiting();
  submit_waiting();
  poll_inner();
}

void FaultQueue::process_waiting() {
  std::vector<espalier_op*> copies;
  for (const auto& flight : flights_)
    if (flight->state == Flight::State::waiting) copies.push_back(&flight->copy);
  if (copies.empty()) return;
  const auto n = static_cast<std::uint32_t>(copies.size());
  const auto status = decorated_.userspace().process(inner_, copies.data(), n);
  for (const auto& flight : flights_)
    if (flight->state == Flight::State::waiting) {
      if (status != ESPALIER_OK) flight->copy.status = ESPALIER_OP_LOST;
      flight->state = Flight::State::done;
    }
}

void FaultQueue::submit_waiting() {
  for (const auto& flight : flights_) {
    if (flight->state != Flight::State::waiting) continue;
    espalier_op* const copy = &flight->copy;
    flight->state = Flight::State::inner;
    if (decorated_.userspace().submit(inner_, &copy, 1) == 1) continue;
    flight->state = Flight::State::waiting;  // it is full
    return;
  }
}

void FaultQueue::poll_inner() {
  espalier_op* copies[64];
  for (std::uint32_t n = 64; n == 64;) {
    n = std::min(decorated_.userspace().poll(inner_, copies, 64), 64U);
    for (std::uint32_t i = 0; i < n; ++i) {
      const auto of = std::ranges::find_if(
          flights_, [&](const auto& flight) { return &flight->copy == copies[i]; });
      if (of != flights_.end()) (*of)->state = Flight::State::done;
    }
  }
}

std::vector<FaultQueue::Flight*> FaultQueue::ready() {
  const std::uint64_t now = fate_.now();
  std::vector<Flight*> all;
  for (const auto& flight : flights_)
    if (flight->state == Flight::State::done && flight->fault != Fault::drop &&
        flight->due_ns <= now)
      all.push_back(flight.get());
  if (fate_.script().order == Order::reverse) std::ranges::reverse(all);
  if (fate_.script().order == Order::random)
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[fate_.random(i)]);
  return all;
}

// Sets the op's status as the fault has it, and marks the flight as over.
void FaultQueue::give_back(Flight& flight) {
  espalier_op& op = *std::exchange(flight.op, nullptr);
  switch (flight.fault) {
    case Fault::fail:
      op.status = ESPALIER_OP_FAILED;
      return;
    case Fault::bad_icv:
      op.status = ESPALIER_OP_BAD_ICV;
      return;
    case Fault::lose:
      op.status = ESPALIER_OP_LOST;
      return;
    case Fault::done_without_work:
      op.status = ESPALIER_OP_DONE;
      return;
    case Fault::leave_pending:
    case Fault::drop:
      return;
    case Fault::none:
    case Fault::corrupt:
    case Fault::twice:
    case Fault::foreign:
    case Fault::change_cookie:
      op.status = flight.copy.status;
  }
  if (flight.fault == Fault::corrupt && op.status == ESPALIER_OP_DONE) corrupt(op);
  if (flight.fault == Fault::twice) extra_.push_back(&op);
  if (flight.fault == Fault::foreign) extra_.push_back(&foreign_);
  if (flight.fault == Fault::change_cookie) ++op.cookie;
}

}  // namespace espalier::fault
