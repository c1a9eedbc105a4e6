// SPDX-License-Identifier: Apache-2.0
//
// A device that takes packets and never lets go of them: it must not take the worker along, and
// what it holds must not be touched again (laws 6 and 9).
#include "unit/esp/two_gateways.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <atomic>
#include <thread>

namespace espalier::esp {
namespace {

using namespace test;

class StuckDevice : public testing::Test {
 protected:
  StuckDevice() {
    for (mock::FakeBackend* fake : {&stuck_, &good_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
    stuck_.control().refuse(mock::Call::quiesce, ESPALIER_TRANSIENT, "never");
    stuck_.control().hold_completions();
  }
  SaSpec add(const char* backend, const char* net, std::uint32_t spi) {
    SaSpec sa = tunnel_sa(backend, Direction::outbound, "aes256gcm16", spi);
    sa.selectors = {{IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse(net).value()}};
    EXPECT_TRUE(gate_->engine->add(sa, session(backend, sa)));
    return sa;
  }
  Session session(const char* backend, const SaSpec& sa) {
    return bench_.session(backend, sa, bench_.registry->backends().front().devices.front().name);
  }
  std::size_t carried(const char* to, int packets) {
    for (int i = 0; i < packets; ++i) {
      EXPECT_TRUE(send(*gate_->clear[0], udp_packet("10.1.0.1", to, 50)));
    }
    gate_->turn(packets);
    return receive_all(*gate_->wire[0]).size();
  }

  mock::FakeBackend stuck_ =
      mock::FakeBackendBuilder{}.name("stuck").asynchronous().queue_depth(4096).build();
  mock::FakeBackend good_ = mock::FakeBackendBuilder{}.name("good").build();
  Bench bench_;
  std::unique_ptr<Gate> gate_ = std::make_unique<Gate>(1, EngineOptions{.slots = 256});
};

TEST_F(StuckDevice, OthersGoOnWhileItHoldsItsShareAndAfterItWasGivenUp) {
  add("stuck", "10.2.0.0/24", 0x1001);
  add("good", "10.3.0.0/24", 0x1002);
  EXPECT_EQ(carried("10.2.0.1", 600), 0u);
  EXPECT_GT(gate_->drops(Drop::queue_full), 0u) << "it took whatever it was given";
  EXPECT_EQ(carried("10.3.0.1", 600), 600u) << "one stuck device silenced another one's SA";
}

TEST_F(StuckDevice, StoppingLeavesItWhatItHolds) {
  const SaSpec sa = add("stuck", "10.2.0.0/24", 0x1001);
  carried("10.2.0.1", 10);
  gate_.reset();  // the sanitizers are the judge of what is touched
  EXPECT_EQ(stuck_.control().counters().sessions_closed, 0u) << "a session in use was closed";
}

// A device that keeps the thread it was called on: nobody can take it away.
class HangingDevice : public testing::Test {
 protected:
  HangingDevice() {
    EXPECT_TRUE(bench_.registry->add_builtin("fake", fake_.entry(), fake_.options()));
    const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
    EXPECT_TRUE(gate_.engine->add(
        sa, bench_.session("fake", sa, bench_.registry->backends().front().devices.front().name)));
  }
  ~HangingDevice() override { fake_.control().resume(); }

  void hang() {
    fake_.control().hang();
    EXPECT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 50)));
    gate_.engine->start();
  }
  // The events of the next turns of the control thread, in each of which a second goes by.
  std::vector<EngineEvent> events_of(int turns) {
    std::vector<EngineEvent> all;
    for (int i = 0; i < turns; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      *now_ = now_->load() + std::chrono::seconds(1);
      for (EngineEvent& event : gate_.engine->take_events()) all.push_back(std::move(event));
    }
    return all;
  }

  // Its thread may be slow to come to the device.
  void wait_until_told() {
    for (int i = 0; i < 500; ++i)
      if (!events_of(1).empty()) return;
    ADD_FAILURE() << "nobody was told";
  }

  using Now = std::atomic<std::chrono::steady_clock::time_point>;
  std::shared_ptr<Now> now_ = std::make_shared<Now>(std::chrono::steady_clock::now());
  mock::FakeBackend fake_ = mock::FakeBackendBuilder{}.name("fake").build();
  Bench bench_;
  Gate gate_{1, EngineOptions{.clock = [now = now_] { return now->load(); }}};
};

TEST_F(HangingDevice, IsToldOnceWithWhatStandsStill) {
  hang();
  const auto events = events_of(20);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EngineEvent::Kind::device_lost);
  EXPECT_EQ(events[0].backend, "fake");
  EXPECT_THAT(events[0].words, testing::HasSubstr("worker 0's thread"));
}

TEST_F(HangingDevice, DoesNotKeepTheProcessFromStopping) {
  hang();
  wait_until_told();
  const auto stopped = gate_.engine->stop();
  ASSERT_FALSE(stopped) << "the fake device did not hang";
  EXPECT_THAT(stopped.error().message, testing::HasSubstr("of backend fake"));
  fake_.control().resume();
  EXPECT_TRUE(gate_.engine->stop()) << "it came back";
}

TEST_F(HangingDevice, CarriesNothingMoreOnceItCameBack) {
  hang();
  wait_until_told();
  fake_.control().resume();
  EXPECT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 50)));
  for (int i = 0; i < 500 && gate_.drops(Drop::device_lost) == 0; ++i) events_of(1);
  ASSERT_TRUE(gate_.engine->stop());
  EXPECT_GE(gate_.drops(Drop::device_lost), 1u);
}

// ---- one worker, two devices
// ----------------------------------------------------------------------

class TwoDevices : public testing::Test {
 protected:
  TwoDevices() {
    for (mock::FakeBackend* fake : {&first_, &second_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
  }
  void add(const char* backend, const char* net, std::uint32_t spi) {
    SaSpec sa = tunnel_sa(backend, Direction::outbound, "aes256gcm16", spi);
    sa.selectors = {{IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse(net).value()}};
    EXPECT_TRUE(gate_.engine->add(sa, session(backend, sa)));
  }
  Session session(const char* backend, const SaSpec& sa) {
    return bench_.session(backend, sa, bench_.registry->backends().front().devices.front().name);
  }
  void give(const char* to, int packets) {
    for (int i = 0; i < packets; ++i) {
      EXPECT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", to, 50)));
    }
    gate_.turn(packets / 64 + 1);
  }

  mock::FakeBackend first_ =
      mock::FakeBackendBuilder{}.name("first").asynchronous().queue_depth(64).build();
  mock::FakeBackend second_ =
      mock::FakeBackendBuilder{}.name("second").asynchronous().queue_depth(64).build();
  Bench bench_;
  Gate gate_{1, EngineOptions{.slots = 256}};
};

TEST_F(TwoDevices, WhatOneHasIsNotLostWithTheOther) {
  add("first", "10.2.0.0/24", 0x1001);
  add("second", "10.3.0.0/24", 0x1002);
  first_.control().hold_completions();
  second_.control().hold_completions();
  first_.control().misbehave(mock::Fault::leave_pending);
  give("10.2.0.1", 5);
  give("10.3.0.1", 7);
  first_.control().release_completions();
  gate_.turn(2);
  EXPECT_EQ(gate_.drops(Drop::device_lost), 5u) << "the first has lost other packets than its own";
  second_.control().release_completions();
  gate_.turn(2);
  EXPECT_EQ(receive_all(*gate_.wire[0]).size(), 7u);
}

// ---- buffers of a device that did not let go ----------------------------------------------------

TEST_F(TwoDevices, AQueueIsNotClosedBeforeItsDeviceHasLetGo) {
  add("first", "10.2.0.0/24", 0x1001);
  first_.control().refuse(mock::Call::quiesce, ESPALIER_TRANSIENT, "not yet");
  first_.control().hold_completions();
  give("10.2.0.1", 3);
  const SaSpec* sa = gate_.engine->spec("first");
  gate_.engine->give_up("first", bench_.registry->backends().front().devices.front().name);
  ASSERT_TRUE(gate_.engine->move("first", session("second", *sa)));
  const auto turns = [&] {
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // what a quiesce is apart
      gate_.turn();
      static_cast<void>(gate_.engine->take_events());
    }
  };
  turns();
  EXPECT_EQ(first_.control().counters().queues_closed, 0u);
  EXPECT_EQ(first_.control().counters().sessions(), 1u) << "a session in use was closed";
  first_.control().allow(mock::Call::quiesce);
  turns();
  EXPECT_EQ(first_.control().counters().queues_closed, 1u);
  EXPECT_EQ(first_.control().counters().sessions(), 0u);
  EXPECT_TRUE(first_.control().violations().empty());
}

// Found lost by others than its worker: by its health, or because it was unplugged.
TEST(GivenUpDevice, ItsQueueIsClosedOnceItsSasHaveMovedAway) {
  mock::FakeBackend fake =
      mock::FakeBackendBuilder{}.name("fake").asynchronous().queue_depth(64).build();
  mock::FakeBackend other = mock::FakeBackendBuilder{}.name("other").build();
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("fake", fake.entry(), fake.options()));
  ASSERT_TRUE(bench.registry->add_builtin("other", other.entry(), other.options()));
  const std::string device = bench.registry->backends().front().devices.front().name;
  Gate gate;
  const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  ASSERT_TRUE(gate.engine->add(sa, bench.session("fake", sa, device)));
  fake.control().hold_completions();
  ASSERT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 50)));
  gate.turn(2);

  gate.engine->give_up("fake", device);
  gate.turn(2);
  EXPECT_EQ(gate.drops(Drop::device_lost), 1u) << "what it had was not given up";
  EXPECT_EQ(fake.control().counters().queues_closed, 0u) << "its session is still bound to it";
  ASSERT_TRUE(gate.engine->move("a", bench.session("other", sa, device)));
  gate.turn(4);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // what a quiesce is apart
  for (int i = 0; i < 4; ++i) gate.turn(2), static_cast<void>(gate.engine->take_events());
  EXPECT_EQ(fake.control().counters().sessions(), 0u);
  EXPECT_EQ(fake.control().counters().queues_closed, 1u);
  EXPECT_TRUE(fake.control().violations().empty());
  ASSERT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 50)));
  gate.turn(2);
  EXPECT_EQ(receive_all(*gate.wire[0]).size(), 1u);
}

}  // namespace
}  // namespace espalier::esp
