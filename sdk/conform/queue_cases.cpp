// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/traffic.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <thread>

namespace espalier::conform {
namespace {

constexpr std::size_t kSessions = 8;

void bursts(Run& run) {
  Bench bench(run);
  Traffic traffic(run, bench.device, bench.memory, kSessions);
  const auto& t = bench.device.table();
  run.at("a burst of no packets");
  if (bench.lane.asynchronous()) {
    espalier_op* none = nullptr;
    if (t.submit(bench.lane.handle(), &none, 0) != 0 || t.poll(bench.lane.handle(), &none, 0) != 0)
      run.fail(Req::empty_burst, "submit() or poll() of no ops answers something else than 0");
  } else if (const auto status = t.process(bench.lane.handle(), nullptr, 0);
             status != ESPALIER_OK) {
    run.fail(Req::empty_burst, fmt::format("process() of no ops answers {}", status_name(status)));
  }
  run.at("a packet by itself");
  traffic.try_alone(bench.lane);
  for (const std::size_t n : {1U, 2U, 3U, 7U, 8U, 9U, 31U, 63U, 64U, 65U, 127U, 128U, 1000U}) {
    run.at(fmt::format("a burst of {}", n));
    const auto wrong_in_burst = [&] {
      traffic.forget();
      bench.lane.complete(traffic.some(n));
      return traffic.what_is_wrong();
    };
    const auto wrong = wrong_in_burst();
    if (wrong.empty()) continue;
    traffic.narrow();
    // Right for one session alone: then sessions were mixed up. What is asynchronous may be right
    // by chance.
    const bool mixed_up =
        !bench.lane.asynchronous() && traffic.sessions() > 1 && wrong_in_burst().empty();
    run.stop(mixed_up ? Req::apart : Req::burst_sizes,
             fmt::format("in a burst of {} over {} sessions, {}", n, traffic.sessions(), wrong));
  }
}

constexpr Req kAsyncOnly[] = {Req::empty_poll, Req::partial,  Req::full_queue, Req::once,
                              Req::foreign,    Req::progress, Req::burst_sizes};

// Submits without a poll until the queue takes no more, packets that are made `ahead` without a
// pause in between: the device is not to be done with one before there is another. How many it
// took.
struct Filled {
  std::size_t taken = 0;
  std::size_t left = 0;  // of the ops that were made
};
Filled fill(Bench& bench, Traffic& traffic, std::size_t most, std::size_t ahead) {
  constexpr std::size_t kBurst = 64;
  Filled filled;
  while (filled.taken < most && filled.left == 0) {
    const auto ops = traffic.some(std::max(kBurst, ahead));
    ahead = 0;
    std::size_t taken = 0;
    for (std::size_t n = 1; n != 0 && taken < ops.size(); taken += n)
      n = bench.lane.submit(std::span(ops).subspan(taken, std::min(kBurst, ops.size() - taken)));
    filled.taken += taken;
    filled.left = ops.size() - taken;
  }
  return filled;
}

void queue(Run& run) {
  Bench bench(run);
  if (!bench.lane.asynchronous()) {
    for (const Req each : kAsyncOnly) run.not_applicable(each, "its devices are synchronous");
    return;
  }
  Traffic traffic(run, bench.device, bench.memory, kSessions);
  run.at("polling an empty queue");
  for (int i = 0; i < 100; ++i) {
    espalier_op* none[64] = {};
    if (bench.device.table().poll(bench.lane.handle(), none, 64) != 0)
      run.stop(Req::empty_poll, "poll() of a queue that was given nothing gives an op");
  }
  traffic.try_alone(bench.lane);
  constexpr std::size_t kMost = 1U << 16;
  std::size_t ahead = 0;
  for (int round = 0; round < 20; ++round) {
    run.at("filling the queue");
    traffic.forget();
    const auto [depth, left] = fill(bench, traffic, kMost, ahead);
    if (depth == 0) run.stop(Req::full_queue, "an empty queue accepts nothing");
    if (round == 0) run.note(fmt::format("{} ops were accepted before a poll", depth));
    ahead = depth + 1;
    run.at("emptying the queue");
    bench.lane.drain();
    if (const auto wrong = traffic.what_is_wrong(left); !wrong.empty())
      run.stop(Req::burst_sizes, fmt::format("in a queue of {} over {} sessions, {}", depth,
                                             traffic.sessions(), wrong));
    run.at("one more op after the queue was full");
    espalier_op* const again = traffic.next();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    std::uint32_t taken = 0;
    while (taken == 0 && std::chrono::steady_clock::now() < until) {
      taken = bench.lane.submit(std::span(&again, 1));
      if (taken == 0) std::this_thread::yield();
    }
    if (taken == 0)
      run.stop(Req::full_queue, "once it was full, the queue accepts nothing although it is empty");
    bench.lane.drain();
  }
  run.at("waiting for completions that must not come");
  for (int i = 0; i < 20; ++i) {
    bench.lane.poll(64);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// One op at a time: nothing waits for company.
void last_packet(Run& run) {
  Bench bench(run);
  if (!bench.lane.asynchronous())
    return run.not_applicable(Req::progress, "its devices are synchronous");
  Traffic traffic(run, bench.device, bench.memory);
  run.at("one packet at a time");
  traffic.try_alone(bench.lane);
  for (int i = 0; i < 200; ++i) {
    traffic.forget();
    espalier_op* const one = traffic.next();
    bench.lane.complete(std::span(&one, 1));
    if (const auto wrong = traffic.what_is_wrong(); !wrong.empty())
      run.stop(Req::burst_sizes, "of packets by themselves " + wrong);
  }
}

using std::chrono::milliseconds;

constexpr std::uint64_t kLate = 500'000'000;  // what a busy machine may add
constexpr milliseconds kEnough{3000};
// One a round. What is too short for some devices has to be kept as well.
constexpr milliseconds kLimits[] = {kEnough,         milliseconds(0),  milliseconds(50), kEnough,
                                    milliseconds(0), milliseconds(50), milliseconds(0),  kEnough};

struct Stopped {
  espalier_status status = ESPALIER_OK;
  std::uint64_t late = 0;  // by how many ns
};

Stopped stop_within(Backend& backend, OpenedDevice& device, Lane& lane, milliseconds limit) {
  const auto& host = *backend.host().table();
  const auto deadline =
      host.monotonic_ns(host.context) + static_cast<std::uint64_t>(limit.count()) * 1'000'000;
  const auto status = device.table().queue_quiesce(lane.handle(), deadline);
  const auto now = host.monotonic_ns(host.context);
  return {status, now > deadline ? now - deadline : 0};
}

// Gives it packets until it takes no more, and stops it. How late that was.
std::uint64_t stop_under_load(Run& run, Backend& backend, OpenedDevice& device, milliseconds limit,
                              milliseconds silence) {
  PacketMemory packets(device);
  Traffic traffic(run, device, packets);
  Lane lane(device);
  run.at("submitting under load");
  std::vector<espalier_op*> ops;
  for (int i = 0; i < 256; ++i) ops.push_back(traffic.next(1024));
  std::size_t taken = 0;
  for (std::size_t n = 1; n != 0 && taken < ops.size(); taken += n)
    n = lane.submit(std::span(ops).subspan(taken, std::min<std::size_t>(32, ops.size() - taken)));
  run.at(fmt::format("quiescing under load, within {} ms", limit.count()));
  const bool hurried = limit < kEnough;
  const Stopped first = stop_within(backend, device, lane, limit);
  const bool again = hurried && first.status != ESPALIER_OK;  // that it may: there was little time
  const Stopped stopped = again ? stop_within(backend, device, lane, kEnough) : first;
  if (stopped.status != ESPALIER_OK)
    run.stop(Req::quiesce, fmt::format("queue_quiesce() with {} ops accepted answers {} after 3 s",
                                       taken, status_name(stopped.status)));
  if (stopped.late > kLate && (again || !hurried))
    run.stop(Req::quiesce, fmt::format("queue_quiesce() answers OK {} ms after its deadline",
                                       stopped.late / 1'000'000));
  const auto memory = [&] {
    Bytes all;
    for (const espalier_op* op : ops) all.insert(all.end(), op->esp, op->esp + op->length);
    return all;
  };
  const Bytes before = memory();
  std::this_thread::sleep_for(silence);
  if (memory() != before)
    run.stop(Req::quiesce,
             fmt::format("within {} ms after queue_quiesce() said OK, packets of its queue were "
                         "written",
                         silence.count()));
  lane.forget();
  return first.late;
}

// Another queue each round: what a queue is good for once it was stopped is nowhere promised.
void quiesce(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  OpenedDevice device(run, backend, backend.device(run.job().device));
  if (!device.info().asynchronous)
    return run.not_applicable(Req::quiesce,
                              "its devices are synchronous: nothing is held between calls");
  std::uint64_t least_late =
      ~std::uint64_t{0};  // of the short limits: a busy machine is not always
  for (const milliseconds& limit : kLimits) {
    const bool last = &limit == std::end(kLimits) - 1;
    const auto late = stop_under_load(run, backend, device, limit, milliseconds(last ? 1000 : 20));
    if (limit < kEnough) least_late = std::min(least_late, late);
  }
  if (least_late > kLate)
    run.fail(Req::quiesce, fmt::format("queue_quiesce() within 0 and 50 ms answers {} ms after its "
                                       "deadline, and later",
                                       least_late / 1'000'000));
}

}  // namespace

std::vector<Case> queue_cases() {
  return {
      {"bursts",
       "Bursts of many sizes, and of none.",
       Scope::device,
       false,
       {Req::empty_burst, Req::burst_sizes, Req::apart, Req::status_set},
       bursts},
      {"queue",
       "A queue, empty and full.",
       Scope::device,
       false,
       {Req::empty_poll, Req::partial, Req::full_queue, Req::once, Req::foreign, Req::progress,
        Req::burst_sizes},
       queue},
      {"last-packet",
       "A packet that is alone in its queue.",
       Scope::device,
       false,
       {Req::progress},
       last_packet},
      {"quiesce",
       "A queue that is stopped under load.",
       Scope::device,
       false,
       {Req::quiesce},
       quiesce},
  };
}

}  // namespace espalier::conform
