// SPDX-License-Identifier: Apache-2.0
//
// The thread rules of abi.h: two queues on two threads, then sessions that come and go meanwhile.
// For ThreadSanitizer as much as for its own checks.
#include <fmt/format.h>
#include <conform/cases.hpp>

#include <time.h>
#include <algorithm>
#include <array>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

namespace espalier::conform {
namespace {

struct Pair {
  Sa sa;
  std::uint64_t seal = 0;
  std::uint64_t open = 0;
};

// A pair that was opened while the queues worked, and what must come of its packet.
struct Guest {
  Pair pair;
  Bytes clear;
  Bytes sealed;
};

// Two threads that begin each burst at the same moment, however fast the device is, until one of
// them leaves. By atomics, which a sanitizer of the plugin's does not see: nothing that the plugin
// does is ordered by them.
class Meeting {
 public:
  void wait(unsigned who) noexcept {
    const unsigned own = ++bursts_[who];
    for (unsigned spins = 0; bursts_[1 - who] < own && !over_; ++spins)
      if (spins > kSpins) std::this_thread::yield();
  }
  void leave() noexcept { over_ = true; }

 private:
  static constexpr unsigned kSpins = 2000;
  std::array<std::atomic<unsigned>, 2> bursts_{};
  std::atomic<bool> over_{false};
};

// Seals and opens bursts over sessions of its own, on a queue of its own, and over those of a guest
// while it has one. One thread, but for host() and is_host().
class Worker {
 public:
  Worker(OpenedDevice& device, std::vector<Pair> pairs, std::uint64_t seed)
      : device_(device),
        pairs_(std::move(pairs)),
        lane_(device),
        memories_{PacketMemory(device, 4U << 20), PacketMemory(device, 4U << 20)},
        random_(seed) {}

  void meets_at(Meeting& meeting, unsigned as) noexcept {
    meeting_ = &meeting;
    number_ = as;
  }

  // What was wrong first, or "".
  std::string run(std::uint32_t rounds) {
    for (std::uint32_t i = 0; i < rounds && wrong_.empty(); ++i) round();
    return wrong_;
  }

  // The guest's sessions are this queue's alone until is_host() is false. [any]
  void host(const Guest& guest) { set_guest(&guest); }
  bool is_host() const { return guest() != nullptr; }

 private:
  struct Batch {
    std::vector<Bytes> clear;
    std::vector<Spot> spots;
  };
  static constexpr std::size_t kPackets = 16;  // sealed in a burst, over all pairs
  static constexpr std::uint32_t kPayloads[] = {160, 1392, 0, 64, 4080, 576};

  // Of sizes that differ from packet to packet, and between the two queues.
  std::uint32_t payload(const Sa& sa) {
    const auto wanted = kPayloads[below(random_, std::size(kPayloads))];
    const auto longest = device_.longest_payload(sa, ESPALIER_OUTBOUND | ESPALIER_INBOUND);
    return std::min(wanted, longest) / sa.block_bytes() * sa.block_bytes();
  }

  // What this round seals the next one opens: both directions are in each burst.
  void round() {
    PacketMemory& memory = memories_[rounds_++ % 2];
    memory.reset();
    Batch batch;
    std::vector<espalier_op> ops;
    for (std::size_t i = 0; i < std::max(kPackets, pairs_.size()); ++i) {
      const Pair& pair = pairs_[i % pairs_.size()];
      batch.clear.push_back(random_bytes(random_, pair.sa.length(payload(pair.sa))));
      batch.spots.push_back(placed(memory, batch.clear.back()));
      ops.push_back(make_op(pair.seal, pair.sa, batch.spots.back()));
      if (!last_.spots.empty()) ops.push_back(make_op(pair.open, pair.sa, last_.spots[i]));
    }
    const Guest* const guest = this->guest();
    std::vector<Spot> of_guest;
    if (guest != nullptr) {
      const Pair& pair = guest->pair;
      of_guest = {placed(memory, guest->clear), placed(memory, guest->sealed)};
      ops.push_back(make_op(pair.seal, pair.sa, of_guest[0]));
      ops.push_back(make_op(pair.open, pair.sa, of_guest[1]));
    }
    pass(ops);
    for (std::size_t i = 0; i < last_.spots.size(); ++i)
      compare(pairs_[i % pairs_.size()].sa, last_.clear[i], last_.spots[i], "what was sealed");
    if (guest != nullptr) {
      compare(guest->pair.sa, guest->sealed, of_guest[0], "as its new key seals it", true);
      compare(guest->pair.sa, guest->clear, of_guest[1], "as its new key opens it");
      set_guest(nullptr);
    }
    last_ = std::move(batch);
  }

  // By a lock, which a sanitizer of the plugin's sees: an atomic of the kit's it would not.
  const Guest* guest() const {
    const std::lock_guard lock(mutex_);
    return guest_;
  }
  void set_guest(const Guest* guest) {
    const std::lock_guard lock(mutex_);
    guest_ = guest;
  }

  static Spot placed(PacketMemory& memory, const Bytes& packet) {
    const Spot spot = memory.take(static_cast<std::uint32_t>(packet.size()));
    std::ranges::copy(packet, spot.data);
    return spot;
  }

  void pass(std::vector<espalier_op>& ops) {
    std::vector<espalier_op*> pointers;
    for (auto& op : ops) pointers.push_back(&op);
    if (meeting_ != nullptr) meeting_->wait(number_);
    lane_.complete(pointers);
    for (const auto& op : ops)
      if (op.status != ESPALIER_OP_DONE) wrong_ = "a packet is " + op_status_name(op.status);
  }

  void compare(const Sa& sa, const Bytes& wanted, const Spot& spot, std::string_view what,
               bool with_icv = false) {
    const auto end = wanted.end() - (with_icv ? 0 : sa.icv_bytes());
    if (wrong_.empty() && !std::equal(wanted.begin(), end, spot.data))
      wrong_ = fmt::format("a packet of {} is not {}", sa.name(), what);
  }

  OpenedDevice& device_;
  std::vector<Pair> pairs_;
  Lane lane_;
  std::array<PacketMemory, 2> memories_;
  Random random_;
  std::size_t rounds_ = 0;
  Meeting* meeting_ = nullptr;  // of the other queue's worker, or none yet
  unsigned number_ = 0;         // which of the two
  Batch last_;
  std::string wrong_;
  mutable std::mutex mutex_;
  const Guest* guest_ = nullptr;
};

class Crew {
 public:
  explicit Crew(Run& run)
      : run_(run),
        reference_(run),
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
    if (!first.run(2).empty()) run_.end_early();
    if (with_control && !is_sound_alone(first)) run_.end_early();
    std::atomic<int> running{kWorkers};
    constexpr unsigned kControlRounds = 20;  // at the least, however few turns its thread gets
    std::atomic<unsigned> controlled{with_control ? 0 : kControlRounds};
    const auto rounds = std::max(200U, run_.budget().packets / 100);
    Meeting meeting;
    first.meets_at(meeting, 0);
    second.meets_at(meeting, 1);
    const auto enough = Clock::now() + kTogether;
    const auto too_much = Clock::now() + kPatience;
    const auto together = [&] {  // time that a busy machine gave to others does not count
      const auto now = Clock::now();
      return now >= enough && (own_time() >= kTogether || now >= too_much);
    };
    const auto work = [&](Worker& worker, std::string& out) {
      try {
        do out = worker.run(rounds);
        while (out.empty() && (controlled < kControlRounds || !together()));
      } catch (const std::exception& e) {
        out = std::string("an exception left it: ") + e.what();
      }
      meeting.leave();
      --running;
    };
    std::thread one([&] { work(first, words[0]); });
    std::thread two([&] { work(second, words[1]); });
    for (; with_control && running > 0; ++controlled) {
      if (running == kWorkers) visit({&first, &second}, running);
      control();
    }
    one.join();
    two.join();
    for (const std::string& each : words)
      if (!each.empty()) run_.fail(broken, each);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kWorkers = 2;
  static constexpr auto kTogether = std::chrono::seconds(1);  // at the least
  static constexpr auto kPatience = std::chrono::seconds(4);

  // That this thread has had of a CPU.
  static std::chrono::nanoseconds own_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  // Whether a guest's packets are right with nothing else going on.
  bool is_sound_alone(Worker& worker) {
    const auto guest = invite();
    if (guest == nullptr) return false;
    worker.host(*guest);
    const bool right = worker.run(1).empty();
    part_from(*guest);
    return right;
  }

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

  // One queue and then the other has a guest, in slots in which others were.
  void visit(std::initializer_list<Worker*> workers, const std::atomic<int>& running) {
    auto guest = invite();
    if (guest == nullptr) return;
    for (Worker* const worker : workers) {
      worker->host(*guest);
      while (worker->is_host() && running == kWorkers) std::this_thread::yield();
      if (!worker->is_host()) continue;
      // One of them has ended, and this one may yet begin: the guest stays until both are done.
      opened_.insert(opened_.end(), {guest->pair.seal, guest->pair.open});
      stayed_.push_back(std::move(guest));
      return;
    }
    part_from(*guest);
  }

  // nullptr where it is refused.
  std::unique_ptr<Guest> invite() {
    const Sa& like = sas_[below(run_.random(), sas_.size())];
    auto guest = std::make_unique<Guest>();
    auto& [pair, clear, sealed] = *guest;
    pair.sa = random_sa(run_.random(), *like.info, like.esn);
    clear = random_bytes(run_.random(), pair.sa.length(160));
    sealed = reference_.sealed(pair.sa, clear, 0);
    if (!opens(pair.sa, ESPALIER_OUTBOUND, pair.seal)) return nullptr;
    if (opens(pair.sa, ESPALIER_INBOUND, pair.open)) return guest;
    device_.close(pair.seal);
    return nullptr;
  }

  void part_from(const Guest& guest) {
    device_.close(guest.pair.open);
    device_.close(guest.pair.seal);
  }

  bool opens(const Sa& sa, std::uint32_t direction, std::uint64_t& session) {
    const auto answer = device_.try_open(sa, direction);
    session = answer.session;
    if (answer.status == ESPALIER_OK) return true;
    run_.fail(answer.status == ESPALIER_CAPACITY ? Req::slots : Req::control_meanwhile,
              "a session is refused while queues work: " + answer.words);
    return false;
  }

  void control() {
    std::uint64_t session = 0;
    if (opens(sas_[below(run_.random(), sas_.size())], ESPALIER_INBOUND, session))
      device_.close(session);
    espalier_health health{};
    health.struct_size = sizeof health;
    const auto& t = backend_.table();
    if (t.health(t.self, device_.info().id, &health) != ESPALIER_OK ||
        health.state > ESPALIER_DEGRADED || health.state == ESPALIER_DOWN)
      run_.fail(Req::healthy, "its health is not UP while its queues work");
  }

  Run& run_;
  Reference reference_;
  Backend backend_;
  OpenedDevice device_;
  std::vector<Sa> sas_;
  std::vector<std::uint64_t> opened_;
  std::size_t each_ = 1;
  std::vector<std::unique_ptr<Guest>> stayed_;
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
       {Req::control_meanwhile, Req::healthy, Req::slots},
       control_meanwhile},
  };
}

}  // namespace espalier::conform
