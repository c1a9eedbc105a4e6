// SPDX-License-Identifier: Apache-2.0
//
// An SA moves between devices while packets are in their hands: no number is used twice, no replay
// comes through, nothing overtakes (laws 1, 2 and 4), and what was not carried is not counted (8).
#include "unit/esp/two_gateways.hpp"

#include "esp/bytes.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <numeric>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::esp {
namespace {

using namespace test;
using testing::IsEmpty;

// Two cards, which finish when the test says so, and both do true ESP.
class MoveTest : public testing::Test {
 protected:
  MoveTest() {
    for (mock::FakeBackend* fake : {&first_, &second_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
  }
  ~MoveTest() override {
    EXPECT_THAT(first_.control().violations(), IsEmpty());
    EXPECT_THAT(second_.control().violations(), IsEmpty());
    EXPECT_FALSE(trace_->repeated_iv()) << "law 1: a number was given to a device twice";
    EXPECT_FALSE(trace_->sequence_went_back()) << "law 4: numbers reached a device in disorder";
  }
  Session session(const char* backend, const SaSpec& sa) {
    return bench_.session(backend, sa, "card");
  }
  void add(Gate& gate, const SaSpec& sa) {
    ASSERT_TRUE(gate.engine->add(sa, session("first", sa)));
  }
  void move(Gate& gate, const SaSpec& sa) {
    ASSERT_TRUE(gate.engine->move(sa.name, session("second", sa)));
  }
  // Packets of different lengths, told apart by them.
  void send_inner(int count) {
    for (int i = 0; i < count; ++i) {
      sent_.push_back(udp_packet("10.1.0.1", "10.2.0.1", 20 + sent_.size() * 7 % 900));
      ASSERT_TRUE(send(*left_.clear[0], sent_.back()));
    }
  }
  static std::vector<std::uint32_t> numbers_of(const std::vector<Bytes>& packets) {
    std::vector<std::uint32_t> numbers;
    for (const Bytes& packet : packets) numbers.push_back(load_be32(packet.data() + 4));
    return numbers;
  }
  static std::vector<std::uint32_t> from_to(std::uint32_t first, std::uint32_t last) {
    std::vector<std::uint32_t> numbers(last - first + 1);
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
  }
  static mock::FakeBackend card(const char* name, const std::shared_ptr<mock::OpTrace>& trace) {
    return mock::FakeBackendBuilder{}
        .name(name)
        .device("card")
        .asynchronous()
        .queue_depth(256)
        .inner(espalier_plugin_openssl)
        .trace(trace)
        .build();
  }

  const SaSpec out_ = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  const SaSpec in_ = tunnel_sa("a", Direction::inbound, "aes256gcm16");
  std::shared_ptr<mock::OpTrace> trace_ = std::make_shared<mock::OpTrace>();
  mock::FakeBackend first_ = card("first", trace_);
  mock::FakeBackend second_ = card("second", trace_);
  Bench bench_;
  Gate left_, right_;
  std::vector<Bytes> sent_;
};

TEST_F(MoveTest, WhatIsInFlightIsNeitherOvertakenNorSentAgain) {
  add(left_, out_);
  first_.control().hold_completions();
  send_inner(5);
  left_.turn(2);
  move(left_, out_);
  send_inner(5);
  left_.turn(3);
  EXPECT_THAT(receive_all(*left_.wire[0]), IsEmpty()) << "law 4: the old device's come first";
  first_.control().release_completions();
  left_.turn(3);
  EXPECT_EQ(numbers_of(receive_all(*left_.wire[0])), from_to(1, 10));
  EXPECT_EQ(first_.control().counters().ops_accepted, 5u);
  EXPECT_EQ(second_.control().counters().ops_accepted, 5u);
}

TEST_F(MoveTest, NumbersThatALostDeviceHadAreBurnt) {
  add(left_, out_);
  first_.control().hold_completions();
  send_inner(5);
  left_.turn(2);
  left_.engine->give_up("first", "card");
  left_.turn(2);
  move(left_, out_);
  send_inner(3);
  left_.turn(3);
  EXPECT_EQ(numbers_of(receive_all(*left_.wire[0])), from_to(6, 8));
  EXPECT_EQ(left_.drops(Drop::device_lost), 5u);
  EXPECT_EQ(left_.status("a").sequence, 8u);
  EXPECT_EQ(left_.status("a").packets, 3u) << "law 8: what was lost was not carried";
  EXPECT_EQ(left_.status("a").backend, "second");
}

TEST_F(MoveTest, WhatADeviceDidNotAcceptKeepsItsNumberAndItsPlace) {
  add(left_, out_);
  first_.control().accept_at_most(2);
  send_inner(9);
  left_.turn(8);
  EXPECT_EQ(numbers_of(receive_all(*left_.wire[0])), from_to(1, 9));
  EXPECT_EQ(first_.control().counters().ops_accepted, 9u);
}

TEST_F(MoveTest, AReplayOfBeforeTheMoveIsDropped) {
  add(left_, out_);
  add(right_, in_);
  send_inner(4);
  left_.turn(3);
  const auto wire = receive_all(*left_.wire[0]);
  ASSERT_EQ(wire.size(), 4u);
  const auto arrive = [&] {
    for (const Bytes& packet : wire) ASSERT_TRUE(send(*right_.wire[0], packet));
    right_.turn(3);
  };
  arrive();
  EXPECT_EQ(receive_all(*right_.clear[0]), sent_);
  move(right_, in_);
  right_.turn(2);
  arrive();
  EXPECT_THAT(receive_all(*right_.clear[0]), IsEmpty());
  EXPECT_EQ(right_.drops(Drop::in_replay), 4u);
}

TEST_F(MoveTest, WhateverTheOrderOfCompletionsPacketsKeepTheirs) {
  add(left_, out_);
  add(right_, in_);
  for (const auto order : {mock::Order::reverse, mock::Order::random}) {
    first_.control().set_order(order, 7);
    for (int burst = 0; burst < 5; ++burst) {
      const auto top = static_cast<std::uint32_t>(sent_.size());
      sent_.clear();
      send_inner(40);
      left_.turn(2);
      const auto wire = receive_all(*left_.wire[0]);
      ASSERT_TRUE(std::ranges::is_sorted(numbers_of(wire))) << "out, after " << top;
      for (const Bytes& packet : wire) ASSERT_TRUE(send(*right_.wire[0], packet));
      right_.turn(2);
      ASSERT_EQ(receive_all(*right_.clear[0]), sent_) << "in, after " << top;
    }
  }
}

}  // namespace
}  // namespace espalier::esp
