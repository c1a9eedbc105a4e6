// SPDX-License-Identifier: Apache-2.0
//
// What is left of the keys in this process's memory once their sessions are closed.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <conform/cases.hpp>
#include <conform/memory_search.hpp>

#include <cstring>
#include <deque>

namespace espalier::conform {
namespace {

bool is_aes(Cipher cipher) {
  return cipher == Cipher::aes_cbc || cipher == Cipher::aes_ctr || cipher == Cipher::aes_gcm ||
         cipher == Cipher::aes_gmac;
}

void wipe_bytes(Bytes& bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

void remember(MemorySearch& search, const Sa& sa) {
  const std::string name(sa.info->name);
  if (is_aes(sa.info->transform.cipher))
    search.add_aes_key(sa.key, name);
  else
    search.add(sa.key, fmt::format("the key of {}", name));
  const Cipher cipher = sa.info->transform.cipher;
  if (cipher == Cipher::aes_gcm || cipher == Cipher::aes_gmac) search.add_ghash_key(sa.key, name);
  search.add_hmac_key(sa.info->transform.integrity, sa.integrity_key, name);
}

// A thread's stack that stays when the thread has ended, so that what is left on it can be found.
class Stack {
 public:
  Stack()
      : memory_(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (memory_ == MAP_FAILED) throw KitError("no memory for a stack");
  }
  ~Stack() { munmap(memory_, kBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // On it, and to its end.
  template <class Work>
  void run(Work& work) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory_, kBytes);
    const auto enter = [](void* it) -> void* {
      (*static_cast<Work*>(it))();
      return nullptr;
    };
    pthread_t thread{};
    const int status = pthread_create(&thread, &attributes, enter, &work);
    pthread_attr_destroy(&attributes);
    if (status != 0) throw KitError("no thread");
    pthread_join(thread, nullptr);
  }

 private:
  static constexpr std::size_t kBytes = 1U << 20;
  void* memory_;
};

// Sessions with keys of their own, and what is left of their calls.
class Lives {
 public:
  Lives(Run& run, Bench& bench) : run_(run), bench_(bench) {}

  void live(const TransformInfo& transform, std::uint32_t direction, bool esn) {
    Sa sa = random_sa(run_.random(), transform, esn);
    remember(search_, sa);
    live_and_die(sa, direction);
  }
  // The same of sessions that are refused: for an ESN that there is not, for want of secret memory,
  // and because the device is full.
  void refuse(const TransformInfo& transform, std::uint32_t direction, bool esn) {
    const auto own = [&] {
      Sa sa = random_sa(run_.random(), transform, esn);
      remember(search_, sa);
      return sa;
    };
    Sa odd = own();
    ask_for(odd, direction, kNoEsn);
    Sa poor = own();
    bench_.backend.host().exhaust_secrets(true);
    ask_for(poor, direction, esn ? 1 : 0);
    bench_.backend.host().exhaust_secrets(false);
    fill(random_sa(run_.random(), transform, esn), direction);
    Sa late = own();
    ask_for(late, direction, esn ? 1 : 0);
    while (!filling_.empty()) {
      bench_.device.close(filling_.back());
      filling_.pop_back();
    }
  }
  const MemorySearch& search() const noexcept { return search_; }

 private:
  static constexpr std::uint32_t kNoEsn = 2;
  static constexpr std::size_t kMostFilling = 4096;  // of a pool that is larger nothing is full

  void fill(const Sa& sa, std::uint32_t direction) {
    const auto room = capacity_of(bench_.device.info(), PoolKind::sas, direction);
    for (std::uint64_t i = 0; i < room && room <= kMostFilling; ++i) {
      const auto answer = bench_.device.try_open(sa, direction);
      if (answer.status != ESPALIER_OK) return;
      filling_.push_back(answer.session);
    }
  }

  void ask_for(Sa& sa, std::uint32_t direction, std::uint32_t esn) {
    auto calls = [&] {
      auto params = sa.params(direction);
      params.esn = esn;
      const auto answer = bench_.device.try_open(params);
      for (Bytes* key : {&sa.key, &sa.integrity_key}) wipe_bytes(*key);
      if (answer.status == ESPALIER_OK) bench_.device.close(answer.session);
    };
    stacks_.emplace_back().run(calls);
  }

  // One packet, and all copies of the key that are the kit's wiped. No call of the kit has the keys
  // in hand on the stack on which the plugin is called, and none is a first one, on which the
  // loader would save there what the plugin left in registers: the process binds early.
  void live_and_die(Sa& sa, std::uint32_t direction) {
    auto calls = [&] {
      const auto session = bench_.device.open(sa, direction);
      for (Bytes* key : {&sa.key, &sa.integrity_key}) wipe_bytes(*key);
      bench_.memory.reset();
      const Spot spot = bench_.memory.take(sa.length(128));
      std::memset(spot.data, 0x44, spot.size);
      auto op = make_op(session, sa, spot);
      bench_.lane.complete(op);
      bench_.device.close(session);
    };
    stacks_.emplace_back().run(calls);
  }

  Run& run_;
  Bench& bench_;
  MemorySearch search_;
  std::vector<std::uint64_t> filling_;
  std::deque<Stack> stacks_;
};

// That the search finds what is there, before what it does not find is believed.
void prove_search() {
  Bytes canary(32);
  for (std::size_t i = 0; i < canary.size(); ++i) canary[i] = static_cast<std::uint8_t>(17 * i + 5);
  MemorySearch search;
  search.add(canary, "a canary");
  if (search.run().empty()) throw KitError("the search of memory does not find what is there");
}

// What the kit's own calls, which had the keys in hand, have left below this frame. The plugin's
// calls were on stacks of their own.
[[gnu::noinline]] void clear_dead_stack() {
  std::uint8_t dead[64U << 10];
  explicit_bzero(dead, sizeof dead);
}

void search_memory(Run& run, const MemorySearch& search, std::string_view after) {
  clear_dead_stack();
  run.at("searching the process's memory");
  const auto found = search.run();
  if (!found.empty())
    run.fail(Req::keys_gone,
             fmt::format("of {} secrets {} are left after their sessions were {}: {}",
                         search.secrets(), found.size(), after, found.front()));
}

// The refused ones last: filling the device takes memory again that earlier sessions gave back.
void keys_gone(Run& run) {
  prove_search();
  Bench bench(run);
  Lives lives(run, bench);
  const auto capabilities = bench.device.capabilities(run.job().capability);
  for (const bool refused : {false, true}) {
    for (const Capability& capability : capabilities)
      for (const TransformInfo* transform : variants(capability))
        for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
          if ((capability.directions & direction) == 0) continue;
          const bool esn = !covers_esn(capability, false);
          run.at(fmt::format("a {}session of {}", refused ? "refused " : "", transform->name));
          refused ? lives.refuse(*transform, direction, esn)
                  : lives.live(*transform, direction, esn);
        }
    if (lives.search().secrets() == 0)
      return run.not_applicable(Req::keys_gone, "its keys are too short to be told from chance");
    search_memory(run, lives.search(), refused ? "refused" : "closed");
  }
}

}  // namespace

std::vector<Case> key_cases() {
  return {{"keys",
           "Keys and key schedules after their sessions.",
           Scope::capability,
           false,
           {Req::keys_gone},
           keys_gone}};
}

}  // namespace espalier::conform
