// SPDX-License-Identifier: Apache-2.0
//
// The packet path asks the allocator for nothing and takes no lock: 10^5 packets of every transform
// through two engines, sealed by one and opened by the other, on each backend. The rule is the same
// for both backends. It holds for packets that are good; what a library does with an error (OpenSSL
// writes down where it happened) is not counted here.
#include "cost.hpp"
#include "unit/esp/every_transform.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

namespace espalier::test {
namespace {

constexpr std::uint32_t kPackets = 100'000;
constexpr std::uint32_t kLongest = 512;
constexpr std::size_t kBurst = 64;

// Inner packets of changing length; gives `left` of them.
class Source final : public PacketPort {
 public:
  Source() : packet_(udp_packet("10.1.0.1", "10.2.0.1", kLongest - 28)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    const std::size_t n = std::min(left, packets.size());
    for (std::size_t i = 0; i < n; ++i) {
      length_ = length_ == kLongest ? 28 : length_ + 1;
      packet_[2] = static_cast<std::uint8_t>(length_ >> 8);
      packet_[3] = static_cast<std::uint8_t>(length_);
      std::memcpy(packets[i]->data(), packet_.data(), length_);
      packets[i]->length = length_;
    }
    left -= n;
    return n;
  }
  std::size_t send(std::span<Packet* const>) noexcept override { return 0; }
  int descriptor() const noexcept override { return -1; }

  std::size_t left = 0;

 private:
  Bytes packet_;
  std::uint32_t length_ = 27;
};

// What one engine sends the other receives, in the same turn of the test.
struct Wire {
  std::array<std::array<std::uint8_t, kLongest + 128>, kBurst> packets;
  std::array<std::uint32_t, kBurst> lengths;
  std::size_t held = 0;
};

class WireEnd final : public PacketPort {
 public:
  WireEnd(Wire& wire, bool sends) : wire_(wire), sends_(sends) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    if (sends_) return 0;
    const std::size_t n = std::min(wire_.held, packets.size());
    for (std::size_t i = 0; i < n; ++i) {
      std::memcpy(packets[i]->data(), wire_.packets[i].data(), wire_.lengths[i]);
      packets[i]->length = wire_.lengths[i];
    }
    wire_.held = 0;
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    for (const Packet* packet : packets) {
      std::memcpy(wire_.packets[wire_.held].data(), packet->data(), packet->length);
      wire_.lengths[wire_.held++] = packet->length;
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

 private:
  Wire& wire_;
  bool sends_;
};

class Sink final : public PacketPort {
 public:
  std::size_t receive(std::span<Packet* const>) noexcept override { return 0; }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    arrived += packets.size();
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

  std::size_t arrived = 0;
};

std::unique_ptr<Engine> engine_between(std::unique_ptr<PacketPort> clear,
                                       std::unique_ptr<PacketPort> wire) {
  std::vector<WorkerPorts> ports;
  ports.push_back({std::move(clear), std::move(wire)});
  return Engine::create({}, std::move(ports)).value();
}

class Path {
 public:
  Path() {
    auto source = std::make_unique<Source>();
    auto sink = std::make_unique<Sink>();
    source_ = source.get();
    sink_ = sink.get();
    left = engine_between(std::move(source), std::make_unique<WireEnd>(wire_, true));
    right = engine_between(std::move(sink), std::make_unique<WireEnd>(wire_, false));
  }
  // Gives how many arrived.
  std::size_t run(std::size_t packets) {
    const std::size_t before = sink_->arrived;
    for (source_->left = packets; source_->left > 0;) {
      left->turn(0);
      right->turn(0);
    }
    return sink_->arrived - before;
  }

  Wire wire_;
  std::unique_ptr<Engine> left, right;

 private:
  Source* source_;
  Sink* sink_;
};

std::uint32_t packets_to_send() {
  const char* const percent = std::getenv("ESPALIER_TEST_SCALE");
  return percent == nullptr ? kPackets : kPackets / 100 * std::uint32_t(std::atoi(percent));
}

class PacketPath : public testing::TestWithParam<OnBackend> {};
INSTANTIATE_TEST_SUITE_P(All, PacketPath, testing::ValuesIn(every_transform()),
                         [](const auto& param) { return param.param.name(); });

void expect_no_cost(const OnBackend& on, bool esn) {
  Bench bench;
  add_backends(bench);
  if (!does(bench, on)) return;
  Path path;
  SaSpec out = tunnel_sa("sa", Direction::outbound, on.transform->name);
  out.esn = esn;
  SaSpec in = out;
  in.direction = Direction::inbound;
  ASSERT_TRUE(path.left->add(out, bench.session(on.backend, out)));
  ASSERT_TRUE(path.right->add(in, bench.session(on.backend, in)));
  ASSERT_EQ(path.run(2 * kBurst), 2 * kBurst) << "nothing is measured where nothing flows";

  const std::uint32_t packets = packets_to_send() / 2;
  const Cost before = cost_so_far();
  const std::size_t arrived = path.run(packets);
  const Cost cost = cost_so_far() - before;

  EXPECT_EQ(arrived, packets);
  EXPECT_EQ(cost.allocations, 0u);
  EXPECT_EQ(cost.frees, 0u);
  EXPECT_EQ(cost.locks, 0u);
}

TEST_P(PacketPath, AllocatesNothingAndTakesNoLock) {
  expect_no_cost(GetParam(), false);
  expect_no_cost(GetParam(), true);
}

TEST(Cost, SeesWhatLibrariesDo) {
  const Cost before = cost_so_far();
  auto* const made = new std::string(1000, 'x');  // by way of libstdc++
  std::mutex mutex;
  const int locked = [&] {
    const std::scoped_lock lock(mutex);
    return 1;
  }();
  const Cost cost = cost_so_far() - before;
  EXPECT_EQ(made->size() + std::size_t(locked), 1001u);
  EXPECT_EQ(cost, (Cost{2, 0, 1}));
  delete made;
  EXPECT_EQ((cost_so_far() - before).frees, 2u);
}

}  // namespace
}  // namespace espalier::test
