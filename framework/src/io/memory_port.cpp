// SPDX-License-Identifier: Apache-2.0
#include "io/memory_port.hpp"

#include "io/descriptor.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <vector>

namespace espalier {
namespace {

struct Queued {
  std::vector<std::uint8_t> bytes;
  WireAddress wire;
};

// One direction. The event descriptor is readable exactly while the queue is not empty.
class Channel {
 public:
  Channel(const MemoryLink& link, Endpoint from, Endpoint to, std::uint64_t seed)
      : link_(link),
        from_(from),
        to_(to),
        random_(seed),
        event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  bool push(const Packet& packet) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= link_.capacity) return false;
    if (happens(link_.loss)) return true;
    insert(packet);
    if (queue_.size() < link_.capacity && happens(link_.duplicate)) insert(packet);
    return true;
  }

  std::size_t pop(std::span<Packet* const> packets) {
    const std::lock_guard lock(mutex_);
    std::size_t given = 0;
    while (given < packets.size() && !queue_.empty()) {
      const Queued queued = std::move(queue_.front());
      queue_.pop_front();
      Packet& packet = *packets[given];
      if (queued.bytes.size() > packet.capacity - kHeadroom - kTailroom) continue;
      packet.offset = kHeadroom;
      packet.length = static_cast<std::uint32_t>(queued.bytes.size());
      std::ranges::copy(queued.bytes, packet.data());
      packet.wire = queued.wire;
      ++given;
    }
    if (queue_.empty()) (void)::eventfd_read(event_.get(), &ignored_);
    return given;
  }

  int descriptor() const noexcept { return event_.get(); }

 private:
  bool happens(std::uint32_t per_mille) { return per_mille > 0 && random_() % 1000 < per_mille; }

  void insert(const Packet& packet) {
    WireAddress wire = packet.wire;
    wire.local = to_;
    wire.peer = from_;
    const auto bytes = packet.view();
    Queued queued{{bytes.begin(), bytes.end()}, wire};
    const bool overtakes = !queue_.empty() && happens(link_.reorder);
    queue_.insert(overtakes ? std::prev(queue_.end()) : queue_.end(), std::move(queued));
    (void)::eventfd_write(event_.get(), 1);
  }

  MemoryLink link_;
  Endpoint from_, to_;
  std::mutex mutex_;
  std::deque<Queued> queue_;
  std::mt19937_64 random_;
  io::Descriptor event_;
  eventfd_t ignored_ = 0;
};

class MemoryPort final : public PacketPort {
 public:
  MemoryPort(std::shared_ptr<Channel> in, std::shared_ptr<Channel> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    return in_->pop(packets);
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    return static_cast<std::size_t>(
        std::ranges::count_if(packets, [this](const Packet* p) { return out_->push(*p); }));
  }
  int descriptor() const noexcept override { return in_->descriptor(); }

 private:
  std::shared_ptr<Channel> in_, out_;
};

}  // namespace

MemoryPorts make_memory_ports(const MemoryLink& link) {
  const auto there = std::make_shared<Channel>(link, link.first, link.second, link.seed);
  const auto back = std::make_shared<Channel>(link, link.second, link.first, ~link.seed);
  return {std::make_unique<MemoryPort>(back, there), std::make_unique<MemoryPort>(there, back)};
}

}  // namespace espalier
