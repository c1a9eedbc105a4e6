// SPDX-License-Identifier: Apache-2.0
//
// Pools against the sessions and queues that are really open.
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/heap.hpp>

#include <algorithm>
#include <memory>
#include <string>

namespace espalier::conform {
namespace {

constexpr std::uint64_t kMostSessions = 200'000;  // opened at once; of a larger pool, so many
constexpr std::uint64_t kMostQueues = 256;

// Sessions that take turns over the directions and variants that a pool's directions allow.
class Sessions {
 public:
  Sessions(Bench& bench, std::vector<Sa> sas, std::uint32_t directions)
      : bench_(bench), sas_(std::move(sas)) {
    for (const Sa& sa : sas_)
      for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
        if ((directions & direction) != 0 && bench.device.does(*sa.info, direction, sa.esn))
          choices_.push_back({&sa, direction});
  }
  ~Sessions() { close_all(); }
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  OpenedDevice::Answer open_one() {
    const auto& [sa, direction] = choices_[open_.size() % choices_.size()];
    auto answer = bench_.device.try_open(*sa, direction);
    if (answer.status == ESPALIER_OK) open_.push_back(answer.session);
    return answer;
  }
  void close_one() {
    bench_.device.close(open_.back());
    open_.pop_back();
  }
  void close_all() {
    while (!open_.empty()) close_one();
  }
  std::size_t count() const { return open_.size(); }
  bool possible() const { return !choices_.empty(); }

 private:
  struct Choice {
    const Sa* sa;
    std::uint32_t direction;
  };
  Bench& bench_;
  std::vector<Sa> sas_;
  std::vector<Choice> choices_;
  std::vector<std::uint64_t> open_;
};

const CapacityPool& pool_named(const Device& device, const std::string& name) {
  return *std::ranges::find(device.pools, name, &CapacityPool::name);
}

std::uint64_t room_in(const CapacityPool& pool) {
  return pool.capacity - std::min(pool.used, pool.capacity);
}

// Pools of SAs that a number says something of: limited, not by a smaller one, and with a use that
// is known.
std::vector<CapacityPool> limited_pools(const Device& device) {
  std::vector<CapacityPool> pools;
  for (const CapacityPool& pool : device.pools)
    if (pool.kind == PoolKind::sas && pool.use != PoolUse::unknown && pool.capacity != kUnlimited &&
        room_in(pool) <= capacity_of(device, PoolKind::sas, pool.directions))
      pools.push_back(pool);
  return pools;
}

bool can_be_filled(const CapacityPool& pool) { return room_in(pool) <= kMostSessions; }

class PoolCheck {
 public:
  PoolCheck(Run& run, Bench& bench, const CapacityPool& pool)
      : run_(run),
        bench_(bench),
        pool_(pool),
        room_(room_in(pool)),
        sessions_(bench, bench.device.sas(run.random(), ""), pool.directions) {}

  void run() {
    if (!sessions_.possible()) return;
    run_.at(fmt::format("filling pool '{}' of {}", pool_.name, pool_.capacity));
    const auto most = std::min(room_, kMostSessions);
    for (const std::uint64_t target : {most / 2, most}) {
      while (sessions_.count() < target)
        if (!opens()) return;
      count();
    }
    if (!can_be_filled(pool_)) {
      sessions_.close_all();
      return count();
    }
    one_too_many();
    run_.at(fmt::format("emptying pool '{}'", pool_.name));
    sessions_.close_one();
    count();
    const auto answer = sessions_.open_one();
    if (answer.status != ESPALIER_OK)
      run_.fail(Req::slots_freed,
                fmt::format("pool '{}' was full; one session was closed, and yet "
                            "the next is refused: {} ({})",
                            pool_.name, answer.words, status_name(answer.status)));
    sessions_.close_all();
    count();
  }

 private:
  bool opens() {
    const auto answer = sessions_.open_one();
    if (answer.status == ESPALIER_OK) return true;
    const bool of_room = answer.status == ESPALIER_CAPACITY || answer.status == ESPALIER_TRANSIENT;
    run_.fail(of_room ? Req::slots : Req::declared,
              fmt::format("pool '{}' says that it has room for {} sessions; number {} "
                          "is refused: {} ({})",
                          pool_.name, room_, sessions_.count() + 1, answer.words,
                          status_name(answer.status)));
    return false;
  }

  void one_too_many() {
    run_.at(fmt::format("one session more than pool '{}' has room for", pool_.name));
    const auto answer = sessions_.open_one();
    if (answer.status == ESPALIER_OK) sessions_.close_one();
    if (answer.status != ESPALIER_CAPACITY)
      run_.fail(Req::slots_full,
                fmt::format("pool '{}' holds {}; one session more is answered {}", pool_.name,
                            pool_.capacity, status_name(answer.status)));
  }

  void count() {
    if (pool_.use != PoolUse::live) return;
    const auto device = bench_.backend.device(bench_.device.info().name);
    const auto expected = pool_.used + sessions_.count();
    const auto used = pool_named(device, pool_.name).used;
    if (used != expected)
      run_.fail(Req::slots_counted,
                fmt::format("pool '{}' says that {} of {} are used; {} sessions "
                            "are open",
                            pool_.name, used, pool_.capacity, expected));
  }

  Run& run_;
  Bench& bench_;
  CapacityPool pool_;
  std::uint64_t room_;
  Sessions sessions_;
};

void session_pools(Run& run) {
  Bench bench(run);
  const auto pools = limited_pools(bench.device.info());
  for (const CapacityPool& pool : pools) PoolCheck(run, bench, pool).run();
  const auto not_here = [&](Req requirement, std::string why) {
    if (!run.failed(requirement)) run.not_applicable(requirement, std::move(why));
  };
  if (pools.empty()) {
    not_here(Req::slots, "it declares no limited pool of SAs");
    not_here(Req::slots_full, "it declares no limited pool of SAs");
  } else if (std::ranges::none_of(pools, can_be_filled)) {
    not_here(Req::slots_full, fmt::format("its pools of SAs are larger than {} sessions: so many "
                                          "were opened, and none was filled",
                                          kMostSessions));
  }
  if (std::ranges::find(pools, PoolUse::live, &CapacityPool::use) == pools.end())
    not_here(Req::slots_counted, "it declares no LIVE pool of SAs");
}

// A pool filled to its brim, one session too many, and emptied: again and again, until as many
// sessions were opened as the budget says. A leak, and a count that drifts, show at the brim. Where
// there is no limit, so many at once.
class Tides {
 public:
  static constexpr std::uint64_t kAtOnce = 256;

  Tides(Run& run, Bench& bench, const CapacityPool* pool)
      : run_(run),
        bench_(bench),
        pool_(pool),
        room_(pool == nullptr ? kAtOnce : room_in(*pool)),
        what_(pool == nullptr ? "the device" : fmt::format("pool '{}'", pool->name)),
        sessions_(bench, bench.device.sas(run.random(), ""),
                  pool == nullptr ? ESPALIER_OUTBOUND | ESPALIER_INBOUND : pool->directions) {}

  void run() {
    if (!sessions_.possible() || room_ == 0) return;
    constexpr std::uint64_t kFewest = 9;
    const auto third =
        static_cast<std::uint32_t>(std::max(kFewest, run_.budget().sessions / room_ + 1) / 3);
    if (!tides(third)) return;  // to warm up
    const auto before = MemoryUse::now();
    if (!tides(third)) return;
    const auto between = MemoryUse::now();
    if (!tides(third)) return;
    // What malloc keeps for later comes once; a leak goes on.
    const auto grown = MemoryUse::now().growth_over(between, third);
    if (const auto held = bench_.backend.host().secrets_held(); held != 0)
      run_.fail(Req::secrets, fmt::format("{} pieces of secret memory are not given back with no "
                                          "session open",
                                          held));
    else if (!grown.empty() && !between.growth_over(before, third).empty())
      run_.fail(Req::churn, fmt::format("{} was filled with {} sessions and emptied {} times: {}",
                                        what_, most_, third, grown));
  }

 private:
  bool tides(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i, ++number_)
      if (!tide(number_)) return false;
    return true;
  }

  bool tide(std::uint32_t number) {
    run_.at(fmt::format("filling {} for the {}. time", what_, number + 1));
    while (sessions_.count() < room_) {
      const auto answer = sessions_.open_one();
      if (answer.status == ESPALIER_OK) continue;
      if (pool_ == nullptr && sessions_.count() >= std::max<std::size_t>(most_, 1)) break;
      // That it is smaller than it says is told by the case that fills it once.
      if (number != 0)
        run_.fail(
            Req::slots_freed,
            fmt::format("{} was full {} times, and now session {} is refused: {} ({})", what_,
                        number, sessions_.count() + 1, answer.words, status_name(answer.status)));
      return false;
    }
    most_ = sessions_.count();
    if (pool_ != nullptr && sessions_.open_one().status == ESPALIER_OK) return false;  // likewise
    const bool right = counts(number);
    sessions_.close_all();
    return right && counts(number);
  }

  bool counts(std::uint32_t number) {
    if (pool_ == nullptr || pool_->use != PoolUse::live) return true;
    const auto device = bench_.backend.device(bench_.device.info().name);
    const auto used = pool_named(device, pool_->name).used;
    if (used == pool_->used + sessions_.count()) return true;
    run_.fail(Req::slots_counted,
              fmt::format("{} was full for the {}. time, {} sessions are open, and it says that {} "
                          "of {} are used",
                          what_, number + 1, sessions_.count(), used, pool_->capacity));
    return false;
  }

  Run& run_;
  Bench& bench_;
  const CapacityPool* pool_;  // nullptr: of no limit
  std::uint64_t room_;
  std::string what_;
  Sessions sessions_;
  std::size_t most_ = 0;  // that were open at once
  std::uint32_t number_ = 0;
};

void pool_churn(Run& run) {
  Bench bench(run);
  auto pools = limited_pools(bench.device.info());
  std::erase_if(pools, [](const CapacityPool& pool) { return !can_be_filled(pool); });
  for (const CapacityPool& pool : pools) Tides(run, bench, &pool).run();
  if (pools.empty()) Tides(run, bench, nullptr).run();
  if (std::ranges::find(pools, PoolUse::live, &CapacityPool::use) == pools.end())
    run.not_applicable(Req::slots_counted, "it declares no LIVE pool of SAs that can be filled");
}

void queue_pool(Run& run) {
  Bench bench(run);
  const auto room = capacity_of(bench.device.info(), PoolKind::queues, 3);
  if (room > kMostQueues)
    return run.not_applicable(Req::queue_limit, "it declares no limited pool of queues");
  std::vector<std::unique_ptr<Lane>> lanes;
  // One is open already, and a LIVE pool may have counted it: what is asked is that all can be had.
  for (std::uint64_t i = 1; i < room; ++i) {
    run.at(fmt::format("opening queue {} of {}", i + 1, room));
    lanes.push_back(std::make_unique<Lane>(bench.device, Req::queue_limit));
  }
  run.at("opening one queue more than there are");
  void* queue = nullptr;
  char text[256] = "";
  espalier_message message{text, sizeof text};
  const auto status = bench.device.table().queue_open(bench.device.handle(), &queue, &message);
  if (status == ESPALIER_OK) bench.device.table().queue_close(queue);
  if (status != ESPALIER_CAPACITY)
    run.fail(Req::queue_limit, fmt::format("it declares {} queues; one more is answered {}", room,
                                           status_name(status)));
}

}  // namespace

std::vector<Case> pool_cases() {
  return {
      {"pools",
       "Pools hold what they say, and count what is open.",
       Scope::device,
       false,
       {Req::slots, Req::slots_full, Req::slots_freed, Req::slots_counted},
       session_pools},
      {"pool-churn",
       "Pools that are filled and emptied, again and again.",
       Scope::device,
       false,
       {Req::churn, Req::secrets, Req::slots_freed, Req::slots_counted},
       pool_churn},
      {"queue-pool",
       "As many queues as are declared.",
       Scope::device,
       false,
       {Req::queue_limit},
       queue_pool},
  };
}

}  // namespace espalier::conform
