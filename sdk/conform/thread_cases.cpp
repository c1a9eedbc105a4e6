// SPDX-License-Identifier: Apache-2.0
//
// The thread rules of abi.h: two queues on two threads, then sessions that come and go meanwhile.
// For ThreadSanitizer as much as for its own checks.
#include <fmt/format.h>
#include <conform/cases.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

namespace espalier::conform {
namespace {

struct Pair {
  Sa sa;
  std::uint64_t seal = 0;
  std::uint64_t open = 0;
};

// Seals and opens bursts over sessions of its own, on a queue of its own. One thread.
class Worker {
 public:
  Worker(OpenedDevice& device, std::vector<Pair> pairs, std::uint64_t seed)
      : pairs_(std::move(pairs)), lane_(device), memory_(device, 4U << 20), random_(seed) {}

  // What was wrong first, or "".
  std::string run(std::uint32_t rounds) {
    for (std::uint32_t i = 0; i < rounds && wrong_.empty(); ++i) round();
    return wrong_;
  }

 private:
  void round() {
    memory_.reset();
    std::vector<Bytes> clear;
    std::vector<Spot> spots;
    for (const Pair& pair : pairs_) {
      clear.push_back(random_bytes(random_, pair.sa.length(160)));
      spots.push_back(memory_.take(static_cast<std::uint32_t>(clear.back().size())));
      std::ranges::copy(clear.back(), spots.back().data);
    }
    pass(spots, &Pair::seal);
    pass(spots, &Pair::open);
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto end = clear[i].end() - pairs_[i].sa.icv_bytes();
      if (!std::equal(clear[i].begin(), end, spots[i].data))
        wrong_ = fmt::format("a packet of {} is not what was sealed", pairs_[i].sa.name());
    }
  }

  void pass(const std::vector<Spot>& spots, std::uint64_t Pair::* session) {
    std::vector<espalier_op> ops;
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      ops.push_back(make_op(pairs_[i].*session, pairs_[i].sa, spots[i]));
    std::vector<espalier_op*> pointers;
    for (auto& op : ops) pointers.push_back(&op);
    lane_.complete(pointers);
    for (const auto& op : ops)
      if (op.status != ESPALIER_OP_DONE) wrong_ = "a packet is " + op_status_name(op.status);
  }

  std::vector<Pair> pairs_;
  Lane lane_;
  PacketMemory memory_;
  Random random_;
  std::string wrong_;
};

class Crew {
 public:
  explicit Crew(Run& run)
      : run_(run),
        backend_(run, run.entry(), run.job().options),
        device_(run, backend_, backend_.device(run.job().device)) {}
  ~Crew() {
    for (const auto session : opened_) device_.close(session);
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Why it cannot be tried here, or "".
  std::string unfit() {
    for (Sa& sa : device_.sas(run_.random(), ""))
      if (device_.does(*sa.info, ESPALIER_OUTBOUND | ESPALIER_INBOUND, sa.esn))
        sas_.push_back(std::move(sa));
    if (sas_.empty()) return "it has no transform for both directions";
    const auto queues = capacity_of(device_.info(), PoolKind::queues, 3);
    if (queues < 2) return "it has one queue";
    const auto room = std::min(capacity_of(device_.info(), PoolKind::sas, ESPALIER_OUTBOUND),
                               capacity_of(device_.info(), PoolKind::sas, ESPALIER_INBOUND));
    if (room < 6) return fmt::format("it has room for {} sessions only", room);
    each_ = std::min<std::uint64_t>({8, sas_.size(), (room - 2) / 4});
    return {};
  }

  void run(Req broken, bool with_control) {
    std::string words[2];
    Worker first(device_, pairs(), run_.random()());
    Worker second(device_, pairs(), run_.random()());
    // What goes wrong on one thread already is the other cases' to tell.
    if (!first.run(1).empty()) run_.end_early();
    std::atomic<int> running{2};
    constexpr unsigned kControlRounds = 20;  // at the least, however few turns its thread gets
    std::atomic<unsigned> controlled{with_control ? 0 : kControlRounds};
    const auto rounds = std::max(50U, run_.budget().packets / 100);
    const auto work = [&](Worker& worker, std::string& out) {
      try {
        do out = worker.run(rounds);
        while (out.empty() && controlled < kControlRounds);
      } catch (const std::exception& e) {
        out = std::string("an exception left it: ") + e.what();
      }
      --running;
    };
    std::thread one([&] { work(first, words[0]); });
    std::thread two([&] { work(second, words[1]); });
    for (; with_control && running > 0; ++controlled) control();
    one.join();
    two.join();
    for (const std::string& each : words)
      if (!each.empty()) run_.fail(broken, each);
  }

 private:
  std::vector<Pair> pairs() {
    std::vector<Pair> made;
    for (std::size_t i = 0; i < each_; ++i) {
      Sa sa = random_sa(run_.random(), *sas_[i % sas_.size()].info, sas_[i % sas_.size()].esn);
      Pair pair{.sa = std::move(sa)};
      pair.seal = device_.open(pair.sa, ESPALIER_OUTBOUND);
      pair.open = device_.open(pair.sa, ESPALIER_INBOUND);
      opened_.push_back(pair.seal);
      opened_.push_back(pair.open);
      made.push_back(std::move(pair));
    }
    return made;
  }

  void control() {
    const Sa& sa = sas_[below(run_.random(), sas_.size())];
    const auto answer = device_.try_open(sa, ESPALIER_INBOUND);
    if (answer.status == ESPALIER_OK)
      device_.close(answer.session);
    else
      run_.fail(Req::control_meanwhile, "a session is refused while queues work: " + answer.words);
    espalier_health health{};
    health.struct_size = sizeof health;
    const auto& t = backend_.table();
    if (t.health(t.self, device_.info().id, &health) != ESPALIER_OK ||
        health.state > ESPALIER_DEGRADED || health.state == ESPALIER_DOWN)
      run_.fail(Req::healthy, "its health is not UP while its queues work");
  }

  Run& run_;
  Backend backend_;
  OpenedDevice device_;
  std::vector<Sa> sas_;
  std::vector<std::uint64_t> opened_;
  std::size_t each_ = 1;
};

void two_threads(Run& run, Req broken, bool with_control) {
  Crew crew(run);
  if (const std::string why = crew.unfit(); !why.empty()) return run.not_applicable(broken, why);
  run.at("two threads with a queue each");
  crew.run(broken, with_control);
}

void two_queues(Run& run) { two_threads(run, Req::two_queues, false); }
void control_meanwhile(Run& run) { two_threads(run, Req::control_meanwhile, true); }

}  // namespace

std::vector<Case> thread_cases() {
  return {
      {"two-queues",
       "Two queues on two threads.",
       Scope::device,
       false,
       {Req::two_queues},
       two_queues},
      {"control",
       "Sessions come and go, and health is asked, while two queues work.",
       Scope::device,
       false,
       {Req::control_meanwhile, Req::healthy},
       control_meanwhile},
  };
}

}  // namespace espalier::conform
