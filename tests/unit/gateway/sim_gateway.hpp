// SPDX-License-Identifier: Apache-2.0
//
// A whole gateway for simulations: fake devices that can be broken, registry, placer, engine, and
// ports in memory. Either one thread runs everything, turn by turn, so that a seed says it all, or
// the engine has its own threads.
#pragma once

#include <espalier/gateway.hpp>

#include <fake_backend.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace espalier::test {

using Bytes = std::vector<std::uint8_t>;

// What a test puts into a port, and what came out of it. Thread-safe.
class PortEnds {
 public:
  void put(Bytes packet) {
    const std::lock_guard lock(mutex_);
    in_.push_back(std::move(packet));
  }
  std::vector<Bytes> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(out_, {});
  }

 private:
  friend class SimPort;
  std::mutex mutex_;
  std::deque<Bytes> in_;
  std::vector<Bytes> out_;
};

class SimPort final : public PacketPort {
 public:
  explicit SimPort(std::shared_ptr<PortEnds> ends) : ends_(std::move(ends)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    const std::lock_guard lock(ends_->mutex_);
    std::size_t n = 0;
    for (; n < packets.size() && !ends_->in_.empty(); ++n) {
      const Bytes bytes = std::move(ends_->in_.front());
      ends_->in_.pop_front();
      std::copy(bytes.begin(), bytes.end(), packets[n]->data());
      packets[n]->length = static_cast<std::uint32_t>(bytes.size());
    }
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    const std::lock_guard lock(ends_->mutex_);
    for (const Packet* packet : packets) {
      ends_->out_.emplace_back(packet->view().begin(), packet->view().end());
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

 private:
  std::shared_ptr<PortEnds> ends_;
};

class SimGateway {
 public:
  // The backends in the policy's order.
  SimGateway(std::vector<mock::FakeBackend> fakes, std::uint32_t workers)
      : fakes_(std::move(fakes)),
        secrets_(SecretPool::create().value()),
        registry_(Registry::load({}, *secrets_).value()) {
    Policy policy;
    for (const auto& fake : fakes_) {
      EXPECT_TRUE(registry_->add_builtin(fake.name(), fake.entry(), fake.options()));
      policy.backends.push_back(fake.name());
    }
    placer_ = std::make_unique<Placer>(*registry_, policy, [this] { return now(); });
    std::vector<WorkerPorts> ports;
    for (std::uint32_t i = 0; i < workers; ++i) {
      clear_.push_back(std::make_shared<PortEnds>());
      wire_.push_back(std::make_shared<PortEnds>());
      ports.push_back({std::make_unique<SimPort>(clear_[i]), std::make_unique<SimPort>(wire_[i])});
    }
    EngineOptions options;
    options.slots = 256;
    options.clock = [this] { return now(); };
    engine_ = Engine::create(options, std::move(ports)).value();
    gateway_ =
        std::make_unique<Gateway>(*registry_, *placer_, *engine_, [](int, std::string_view) {});
  }

  // From here on the engine's own threads run the workers.
  void start() {
    engine_->start();
    threads_ = true;
  }
  void turn() {
    if (threads_) return std::this_thread::sleep_for(std::chrono::microseconds(300));
    for (std::uint32_t i = 0; i < clear_.size(); ++i) engine_->turn(i);
  }
  // Time for all that waits: stalls, quarantines, probes.
  // Threads must get to run meanwhile, or a worker without a processor looks like a device that
  // hangs.
  void pass(std::chrono::milliseconds time) {
    const std::int64_t step = std::max<std::int64_t>(50, time.count() / 10);
    for (std::int64_t left = time.count(); left > 0; left -= step) {
      now_ += std::min(left, step);
      if (threads_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // What the control thread does now and then.
  std::vector<GatewayEvent> tend() { return gateway_->tend(); }

  // A flow always enters by the same worker, as a network card's hash would have it.
  PortEnds& clear(std::uint32_t flow) { return *clear_[flow % clear_.size()]; }
  PortEnds& wire(std::uint32_t flow) { return *wire_[flow % wire_.size()]; }
  const std::vector<std::shared_ptr<PortEnds>>& clears() const { return clear_; }
  const std::vector<std::shared_ptr<PortEnds>>& wires() const { return wire_; }

  mock::FakeControl& device(std::size_t backend) const { return fakes_[backend].control(); }
  std::size_t backends() const { return fakes_.size(); }
  Gateway& gateway() { return *gateway_; }
  SecretPool& secrets() { return *secrets_; }
  DropCounts drops() const { return gateway_->drops(); }

 private:
  std::chrono::steady_clock::time_point now() const {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_));
  }

  std::vector<mock::FakeBackend> fakes_;
  std::unique_ptr<SecretPool> secrets_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Placer> placer_;
  std::vector<std::shared_ptr<PortEnds>> clear_;
  std::vector<std::shared_ptr<PortEnds>> wire_;
  std::atomic<std::int64_t> now_{3'600'000};  // ms
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Gateway> gateway_;
  bool threads_ = false;
};

}  // namespace espalier::test
