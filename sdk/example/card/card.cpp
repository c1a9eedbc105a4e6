// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

#include <algorithm>
#include <utility>

namespace card {

using Guard = std::lock_guard<std::mutex>;

Card::Card(const Straps& straps, std::function<void()> removed)
    : straps_(straps),
      removed_(std::move(removed)),
      sas_(straps.sas, nullptr),
      random_(straps.seed),
      thread_([this] { work(); }) {}

Card::~Card() {
  {
    const Guard guard(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  thread_.join();
}

// ---- Memory -------------------------------------------------------------------------------------

std::uint64_t Card::map(void* base, std::uint64_t size) {
  constexpr std::uint64_t page = 4096;
  const Guard guard(mutex_);
  const std::uint64_t iova = next_iova_ + reinterpret_cast<std::uintptr_t>(base) % page;
  next_iova_ = (iova + size + 2 * page) / page * page;  // a hole between any two regions
  regions_.push_back({iova, size, static_cast<std::uint8_t*>(base)});
  return iova;
}

void Card::unmap(void* base, std::uint64_t size) {
  Lock lock(mutex_);
  wait_until_idle(lock);
  const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const Region& region) {
    return region.base == base && region.size == size;
  });
  if (found != regions_.end()) regions_.erase(found);
}

std::uint8_t* Card::translate(std::uint64_t iova, std::uint32_t size) const {
  for (const Region& region : regions_) {
    const std::uint64_t offset = iova - region.iova;  // huge if it lies before the region
    if (offset <= region.size && size <= region.size - offset) return region.base + offset;
  }
  return nullptr;
}

// ---- SAs and queues -----------------------------------------------------------------------------

std::optional<std::uint32_t> Card::load(const KeyBlock* keys) {
  const Guard guard(mutex_);
  const auto free = std::find(sas_.begin(), sas_.end(), nullptr);
  if (!present_ || free == sas_.end()) return std::nullopt;
  *free = keys;
  return static_cast<std::uint32_t>(free - sas_.begin());
}

void Card::unload(std::uint32_t sa) {
  Lock lock(mutex_);
  wait_until_idle(lock);
  sas_[sa] = nullptr;
}

std::uint32_t Card::sas_used() const {
  const Guard guard(mutex_);
  const auto free = std::count(sas_.begin(), sas_.end(), nullptr);
  return straps_.sas - static_cast<std::uint32_t>(free);
}

std::optional<std::uint32_t> Card::take_queue() {
  const Guard guard(mutex_);
  for (std::uint32_t i = 0; present_ && i < kQueues; ++i) {
    if (rings_[i].taken) continue;
    rings_[i].taken = true;
    return i;
  }
  return std::nullopt;
}

void Card::free_queue(std::uint32_t queue) {
  abort(queue, Time::max());
  const Guard guard(mutex_);
  rings_[queue].taken = false;
}

std::uint32_t Card::queues_used() const {
  const Guard guard(mutex_);
  const auto is_taken = [](const Ring& ring) { return ring.taken; };
  return static_cast<std::uint32_t>(std::count_if(std::begin(rings_), std::end(rings_), is_taken));
}

// ---- Packets ------------------------------------------------------------------------------------

Card::Time Card::due() {
  const auto latency = hot_ ? 4 * straps_.latency : straps_.latency;
  const auto spread = static_cast<std::uint64_t>(latency.count()) + 1;
  return std::chrono::steady_clock::now() + latency / 2 +
         std::chrono::microseconds(static_cast<std::int64_t>(random_() % spread));
}

bool Card::post(std::uint32_t queue, const Descriptor& descriptor) {
  {
    const Guard guard(mutex_);
    Ring& ring = rings_[queue];
    if (!present_ || ring.held == kDepth) return false;
    if (posted_ == straps_.unplug_at && straps_.unplug_at != 0) {
      present_ = false;
    } else {
      ++posted_;
      if (posted_ == straps_.hot_at) hot_ = true;
      ++ring.held;
      jobs_.emplace(due(), Job{queue, descriptor});
    }
  }
  work_.notify_one();
  return present_;
}

std::optional<Completion> Card::completion(std::uint32_t queue) {
  const Guard guard(mutex_);
  Ring& ring = rings_[queue];
  if (ring.done.empty()) return std::nullopt;
  const Completion first = ring.done.front();
  ring.done.pop_front();
  --ring.held;
  return first;
}

bool Card::abort(std::uint32_t queue, Time deadline) {
  Lock lock(mutex_);
  for (auto job = jobs_.begin(); job != jobs_.end();)
    job = job->second.queue == queue ? jobs_.erase(job) : std::next(job);
  const auto idle = [this] { return !busy_; };
  if (deadline == Time::max())
    idle_.wait(lock, idle);
  else if (!idle_.wait_until(lock, deadline, idle))
    return false;
  rings_[queue].held = 0;
  rings_[queue].done.clear();
  return true;
}

// ---- The card's own thread ----------------------------------------------------------------------

void Card::work() {
  Lock lock(mutex_);
  while (!stop_ && present_) {
    if (jobs_.empty())
      work_.wait(lock);
    else if (jobs_.begin()->first > std::chrono::steady_clock::now())
      work_.wait_until(lock, Time(jobs_.begin()->first));
    else
      run_next(lock);
  }
  jobs_.clear();
  const bool was_removed = !present_;
  lock.unlock();
  if (was_removed) removed_();
}

void Card::run_next(Lock& lock) {
  const Job job = jobs_.begin()->second;
  jobs_.erase(jobs_.begin());
  busy_ = true;
  const Code code = run(lock, job);
  busy_ = false;
  if (present_) rings_[job.queue].done.push_back({job.descriptor.tag, code});
  idle_.notify_all();
}

Code Card::run(Lock& lock, const Job& job) {
  const Descriptor& d = job.descriptor;
  const KeyBlock* const keys = d.sa < sas_.size() ? sas_[d.sa] : nullptr;
  const std::uint8_t* const from = translate(d.from, d.length);
  std::uint8_t* const to = translate(d.to, d.length);
  if (keys == nullptr || from == nullptr || to == nullptr) return Code::failed;
  lock.unlock();
  const Code code = firmware_.run(*keys, {from, to, d.icv_offset, d.seq_hi});
  lock.lock();
  return code;
}

}  // namespace card
