// SPDX-License-Identifier: Apache-2.0
//
// The simulated hardware: a lookaside card as a driver sees it. Where this is, a vendor's own
// driver comes; nothing here is to be copied. It has two queues of 64 descriptors and a table of
// SAs whose keys stay in the host's memory. It reads and writes only memory that was mapped for it,
// completes late and out of order, and may be pulled out at any time. Thread-safe.
#pragma once

#include "firmware.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace card {

inline constexpr std::uint32_t kQueues = 2;
inline constexpr std::uint32_t kDepth = 64;  // descriptors that a queue has at once

// How the card was made, and what shall happen to it.
struct Straps {
  std::uint32_t sas = 16;
  std::chrono::microseconds latency{50};    // of a packet; half to one and a half times this
  std::uint64_t seed = 1;                   // of the latencies
  std::uint64_t hot_at = 0;                 // packets after which it throttles; 0: never
  std::uint64_t unplug_at = 0;              // packets after which it is pulled out; 0: never
  std::chrono::milliseconds back_after{0};  // that it is pulled out, a new one is put in; 0: never
};

struct Descriptor {
  std::uint16_t tag;  // comes back in the completion
  std::uint32_t sa;
  std::uint64_t from, to;  // I/O addresses
  std::uint32_t length, icv_offset, seq_hi;
};

struct Completion {
  std::uint16_t tag;
  Code code;  // failed: also when it could not reach the packet
};

class Card {
 public:
  // `removed` runs once, on the card's thread, when the card was pulled out.
  Card(const Straps& straps, std::function<void()> removed);
  ~Card();
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  bool present() const noexcept { return present_; }
  bool hot() const noexcept { return hot_; }

  // Memory that it may reach; gives the I/O address of the first byte. unmap() waits for what it is
  // just reading or writing; a descriptor that names the region later fails.
  std::uint64_t map(void* base, std::uint64_t size);
  void unmap(void* base, std::uint64_t size);

  // The SA table: nothing when it is full or the card is gone. `keys` must stay until unload(),
  // which waits for what it is just reading.
  std::optional<std::uint32_t> load(const KeyBlock* keys);
  void unload(std::uint32_t sa);
  std::uint32_t sas_used() const;

  // Queues: nothing when all are taken. free_queue() waits, as abort() does without a deadline.
  std::optional<std::uint32_t> take_queue();
  void free_queue(std::uint32_t queue);
  std::uint32_t queues_used() const;

  bool post(std::uint32_t queue, const Descriptor& descriptor);  // false: full, or gone
  std::optional<Completion> completion(std::uint32_t queue);
  // Forgets what the queue has. False when it did not let go of a packet in time.
  bool abort(std::uint32_t queue, std::chrono::steady_clock::time_point deadline);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Region {
    std::uint64_t iova, size;
    std::uint8_t* base;
  };
  struct Job {
    std::uint32_t queue;
    Descriptor descriptor;
  };
  struct Ring {
    bool taken = false;
    std::uint32_t held = 0;  // descriptors posted whose completion was not taken
    std::deque<Completion> done;
  };
  using Lock = std::unique_lock<std::mutex>;

  void work();
  void run_next(Lock& lock);
  Code run(Lock& lock, const Job& job);
  std::uint8_t* translate(std::uint64_t iova, std::uint32_t size) const;
  Time due();
  void wait_until_idle(Lock& lock) {
    idle_.wait(lock, [this] { return !busy_; });
  }

  const Straps straps_;
  const std::function<void()> removed_;
  std::atomic<bool> present_{true};
  std::atomic<bool> hot_{false};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable work_, idle_;
  std::vector<Region> regions_;
  std::vector<const KeyBlock*> sas_;  // nullptr: free
  Ring rings_[kQueues];
  std::multimap<Time, Job> jobs_;  // by when they are due
  std::mt19937_64 random_;
  std::uint64_t next_iova_ = std::uint64_t{1} << 32;
  std::uint64_t posted_ = 0;
  bool busy_ = false;  // the firmware has a packet and its keys in hand
  bool stop_ = false;

  Firmware firmware_;
  std::thread thread_;
};

}  // namespace card
