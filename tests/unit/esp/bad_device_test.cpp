// SPDX-License-Identifier: Apache-2.0
//
// Devices that fail, lie about what they have done, or are lost: nothing leaves in the clear
// (law 3), what they hand back is believed once (law 9), and their buffers are left to them.
#include "unit/esp/two_gateways.hpp"

#include "esp/bytes.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <chrono>
#include <thread>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::esp {
namespace {

using namespace test;
using mock::Fault;
using testing::IsEmpty;
using testing::SizeIs;

class BadDevice : public testing::Test {
 protected:
  BadDevice() {
    for (mock::FakeBackend* fake : {&bad_, &good_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
  }
  // An SA for each backend, to a network of its own.
  void add(const char* backend, const char* net, std::uint32_t spi) {
    SaSpec sa = tunnel_sa(backend, Direction::outbound, "aes256gcm16", spi);
    sa.selectors = {{IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse(net).value()}};
    ASSERT_TRUE(gate_.engine->add(sa, bench_.session(backend, sa, "card")));
  }
  void send_to(const char* to, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", to, 50)));
  }
  std::vector<Bytes> on_wire(int turns = 3) {
    gate_.turn(turns);
    return receive_all(*gate_.wire[0]);
  }
  std::vector<EngineEvent> losses() {
    std::vector<EngineEvent> lost;
    for (EngineEvent& event : gate_.engine->take_events())
      if (event.kind == EngineEvent::Kind::device_lost) lost.push_back(std::move(event));
    return lost;
  }
  static mock::FakeBackend card(const char* name) {
    return mock::FakeBackendBuilder{}
        .name(name)
        .device("card")
        .asynchronous()
        .queue_depth(64)
        .inner(espalier_plugin_openssl)
        .build();
  }

  mock::FakeBackend bad_ = card("bad");
  mock::FakeBackend good_ = card("good");
  Bench bench_;
  Gate gate_{1, EngineOptions{.slots = 256}};
};

TEST_F(BadDevice, WhatItFailedToEncryptDoesNotLeave) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::fail, 3);
  send_to("10.2.0.1", 5);
  EXPECT_THAT(on_wire(), SizeIs(2));
  EXPECT_EQ(gate_.drops(Drop::device_failed), 3u);
  EXPECT_EQ(gate_.status("bad").packets, 2u) << "law 8: what failed was not carried";
}

TEST_F(BadDevice, OnceItIsLostNothingLeavesUntilTheSaMoves) {
  add("bad", "10.2.0.0/24", 0x1001);
  gate_.engine->give_up("bad", "card");
  send_to("10.2.0.1", 5);
  EXPECT_THAT(on_wire(), IsEmpty()) << "law 3: it went another way";
  EXPECT_EQ(gate_.drops(Drop::device_lost), 5u);
}

TEST_F(BadDevice, OneThatGivesAnOpBackAsLostIsLost) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::lose, 1);
  send_to("10.2.0.1", 5);
  EXPECT_EQ(gate_.drops(Drop::device_failed), 0u);
  EXPECT_THAT(on_wire(), SizeIs(4)) << "what it had done by then is not lost";
  EXPECT_EQ(gate_.drops(Drop::device_lost), 1u);
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "nobody noticed";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("gave operations back as lost"));
}

TEST_F(BadDevice, AnOpThatItHandsBackTwiceIsBelievedOnce) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::twice);
  bad_.control().release_completions(1);  // the others stay in flight
  send_to("10.2.0.1", 3);
  EXPECT_THAT(on_wire(), SizeIs(1));
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "nobody noticed";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("an operation that it did not have"));
}

TEST_F(BadDevice, AnOpThatItHandsBackAgainWhileItWaitsForItsTurnIsBelievedOnce) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::twice, 1, 2);  // with the third
  bad_.control().set_order(mock::Order::reverse);
  bad_.control().release_completions(1);  // of the third; those before it stay in flight
  send_to("10.2.0.1", 3);
  EXPECT_THAT(on_wire(), SizeIs(1)) << "what it had done by then is not lost";
  EXPECT_EQ(gate_.drops(Drop::device_lost), 2u);
  EXPECT_EQ(gate_.status("bad").packets, 1u);
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "nobody noticed";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("an operation that it did not have"));
}

TEST_F(BadDevice, AnOpThatNobodyGaveItIsNotBelieved) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::foreign);
  bad_.control().release_completions(1);
  send_to("10.2.0.1", 3);
  EXPECT_THAT(on_wire(), SizeIs(1));
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "nobody noticed";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("an operation that it did not have"));
}

TEST_F(BadDevice, AnOpWhoseCookieItChangedIsNotBelieved) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::change_cookie, 1, 1);
  send_to("10.2.0.1", 3);
  EXPECT_THAT(on_wire(), SizeIs(1)) << "the first alone is the one that it was given";
  EXPECT_EQ(gate_.drops(Drop::device_lost), 2u);
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "nobody noticed";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("an operation that it did not have"));
}

TEST_F(BadDevice, AnOpWithoutAStatusIsNotBelieved) {
  add("bad", "10.2.0.0/24", 0x1001);
  bad_.control().misbehave(Fault::leave_pending);
  send_to("10.2.0.1", 1);
  EXPECT_THAT(on_wire(), IsEmpty());
  const auto lost = losses();
  ASSERT_THAT(lost, SizeIs(1)) << "it may still be working on the buffer";
  EXPECT_THAT(lost[0].words, testing::HasSubstr("without setting its status"));
}

TEST_F(BadDevice, ItsBuffersServeNobodyElseBeforeItIsQuiesced) {
  add("bad", "10.2.0.0/24", 0x1001);
  add("good", "10.3.0.0/24", 0x1002);
  bad_.control().refuse(mock::Call::quiesce, ESPALIER_TRANSIENT, "busy");
  bad_.control().hold_completions();
  send_to("10.2.0.1", 5);
  EXPECT_THAT(on_wire(), IsEmpty());
  bad_.control().lose();
  gate_.engine->give_up("bad", "card");
  gate_.turn(2);

  good_.control().hold_completions();
  send_to("10.3.0.1", 40);
  EXPECT_THAT(on_wire(), IsEmpty());
  EXPECT_EQ(bad_.control().scribble(), 5u) << "it no longer had what it was given";
  good_.control().release_completions();
  const auto wire = on_wire();
  ASSERT_THAT(wire, SizeIs(40));
  for (const Bytes& packet : wire)
    EXPECT_EQ(load_be32(packet.data()), 0x1002u) << "the lost device wrote into it";
  EXPECT_THAT(good_.control().violations(), IsEmpty());

  bad_.control().allow(mock::Call::quiesce);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // what a quiesce is apart
  gate_.turn(2);
  EXPECT_EQ(bad_.control().counters().in_flight, 0u) << "it was never asked to let go";
}

}  // namespace
}  // namespace espalier::esp
