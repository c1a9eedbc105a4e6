// SPDX-License-Identifier: Apache-2.0
//
// What changes in the life of an SA while it carries packets: limits that it reaches, a peer that
// moves, packets that only hide the others.
#include "unit/esp/life.hpp"

#include "esp/bytes.hpp"
#include "esp/stranger_limit.hpp"

#include <gmock/gmock.h>

namespace espalier::esp {
namespace {

// ---- lifetimes --------------------------------------------------------------------------------

TEST_F(LifeTest, PacketLimitsAreToldAndKeptToThePacket) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_packets = 5, .hard_packets = 10}; });
  EXPECT_EQ(carried(5), 5u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  EXPECT_EQ(carried(1), 1u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  EXPECT_EQ(carried(100), 4u);
  EXPECT_EQ(drops(Drop::out_expired), 96u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime)) << "once, and no second soft one";
  EXPECT_TRUE(engine_->status()[0].expired);
}

TEST_F(LifeTest, ByteLimitsCountInnerPackets) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_bytes = 1000}; });
  EXPECT_EQ(carried(64), 10u) << "packets of 100 bytes";
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
}

// How many of so many packets come out at the far end.
std::size_t opened_of(int packets, Gate& sender, Gate& receiver) {
  for (int i = 0; i < packets; ++i)
    EXPECT_TRUE(send(*sender.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  sender.turn();
  for (const Bytes& packet : receive_all(*sender.wire[0]))
    EXPECT_TRUE(send(*receiver.wire[0], packet));
  receiver.turn();
  return receive_all(*receiver.clear[0]).size();
}

TEST(FirstSequence, IsTheNumberOfTheFirstPacketAndALifetimeCountsFromThere) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  EngineOptions options;
  options.first_sequence = 0xfffffffe;
  Gate gate(1, options);
  SaSpec sa = tunnel_sa("out", Direction::outbound, "aes256gcm16");
  sa.lifetime = Lifetime{.hard_packets = 4};
  ASSERT_TRUE(gate.engine->add(sa, bench.session("openssl", sa)));
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate.turn();
  std::vector<std::uint32_t> numbers;
  for (const Bytes& packet : receive_all(*gate.wire[0]))
    numbers.push_back(load_be32(packet.data() + 4));
  EXPECT_THAT(numbers, testing::ElementsAre(0xfffffffeU, 0xffffffffU, 0U, 1U));
  EXPECT_EQ(gate.status("out").sequence, 0x100000001U);
  EXPECT_EQ(gate.drops(Drop::out_expired), 2u);
}

// Its first packet may be any of those that a window takes, or come up to 2^32 later.
TEST(FirstSequence, IsWhereAnInboundSaLooksForTheHighBits) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  constexpr std::uint64_t kSent = (std::uint64_t{7} << 32) + 100;
  const auto opened = [&](std::uint64_t first) {
    Gate sender(1, EngineOptions{.first_sequence = kSent});
    Gate receiver(1, EngineOptions{.first_sequence = first});
    const SaSpec out = tunnel_sa("out", Direction::outbound, "aes256gcm16");
    SaSpec in = tunnel_sa("in", Direction::inbound, "aes256gcm16");
    in.replay_window = 64;
    EXPECT_TRUE(sender.engine->add(out, bench.session("openssl", out)));
    EXPECT_TRUE(receiver.engine->add(in, bench.session("openssl", in)));
    return opened_of(1, sender, receiver);
  };
  for (const std::uint64_t right : {kSent, kSent + 10, kSent - 1000, kSent - 0xffff0000u})
    EXPECT_EQ(opened(right), 1u) << right;
  for (const std::uint64_t wrong : {std::uint64_t{1}, kSent - (std::uint64_t{1} << 32) - 100})
    EXPECT_EQ(opened(wrong), 0u) << wrong;
  EXPECT_EQ(opened(kSent + 100), 0u) << "beyond the window";
}

// High bits are looked for from the newest packet before the burst: a receiver that has seen
// nothing yet, and gets in one burst packets of both sides of 2^32, opens the later ones from the
// next burst on. No sender that began with 1 makes it lose any, but after losing 2^32 packets in a
// row.
TEST(FirstSequence, AFreshReceiverFindsItsWayAcross32BitsFromTheNextBurstOn) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  Gate sender(1, EngineOptions{.first_sequence = 0xfffffffe}), receiver;
  const SaSpec out = tunnel_sa("out", Direction::outbound, "aes256gcm16");
  const SaSpec in = tunnel_sa("in", Direction::inbound, "aes256gcm16");
  ASSERT_TRUE(sender.engine->add(out, bench.session("openssl", out)));
  ASSERT_TRUE(receiver.engine->add(in, bench.session("openssl", in)));
  EXPECT_EQ(opened_of(5, sender, receiver), 2u) << "those up to 2^32 - 1";
  EXPECT_EQ(receiver.all_drops(), 3u);
  EXPECT_EQ(opened_of(5, sender, receiver), 5u);
  EXPECT_EQ(receiver.status("in").sequence, 0x100000007u);
}

TEST(FirstSequence, IsRefusedWhereTheSaHasNoSuchNumber) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1} << 32}) {
    EngineOptions options;
    options.first_sequence = first;
    Gate gate(1, options);
    SaSpec sa = tunnel_sa("out", Direction::outbound, "aes256gcm16");
    sa.esn = false;
    const auto added = gate.engine->add(sa, bench.session("openssl", sa));
    ASSERT_FALSE(added) << "it would never end";
    EXPECT_EQ(added.error().message, "SA 'out' cannot begin with sequence number " +
                                         std::to_string(first) +
                                         ": its numbers are 1 to 4294967295, since it has no ESN");
  }
}

TEST_F(LifeTest, DummiesUseUpALifetimeAsOtherPacketsDo) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_packets = 5, .hard_packets = 10}; });
  const auto send_dummies = [&](int n) {
    for (int i = 0; i < n; ++i) {
      ASSERT_TRUE(engine_->send_dummy("out", 100));
      engine_->turn(0);
    }
  };
  send_dummies(6);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  send_dummies(100);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
  EXPECT_EQ(wire_->sent.size(), 10u);
  EXPECT_EQ(engine_->status()[0].sequence, 10u);
}

TEST_F(LifeTest, TimeRunsOutWithoutAnyPacket) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_seconds = 60, .hard_seconds = 100}; });
  *now_ += std::chrono::seconds(59);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  *now_ += std::chrono::seconds(1);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  EXPECT_EQ(carried(3), 3u);
  *now_ += std::chrono::seconds(40);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
  EXPECT_EQ(carried(3), 0u);
  EXPECT_EQ(drops(Drop::out_expired), 3u);
  EXPECT_EQ(engine_->status()[0].errors, 3u);
  EXPECT_TRUE(engine_->status()[0].expired);
}

TEST_F(LifeTest, AnInboundSaEndsToo) {
  add(Direction::inbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_packets = 2}; });
  for (std::uint32_t i = 1; i <= 4; ++i) {
    wire_->arriving.emplace_back(from_peer(i), endpoint("192.0.2.2", 4500));
  }
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 2u);
  EXPECT_EQ(drops(Drop::in_expired), 2u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
}

TEST_F(LifeTest, ADeletedSaIsNotToldOf) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_seconds = 60}; });
  ASSERT_TRUE(engine_->remove("out"));
  engine_->turn(0);
  *now_ += std::chrono::seconds(61);
  EXPECT_THAT(kinds(), testing::Not(testing::Contains(Kind::soft_lifetime)));
}

// ---- a peer behind a NAT ------------------------------------------------------------------------

TEST_F(LifeTest, PacketsFollowAPeerThatItsNatHasMoved) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::peer_moved));
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, moved);
  for (const SaStatus& status : engine_->status()) {
    if (status.name == "out") {
      EXPECT_EQ(status.peer, moved);
    }
  }
}

// A host that answers as soon as it is given something.
TEST_F(LifeTest, NoAnswerToAPeerThatHasMovedGoesToWhereItWas) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337), again = endpoint("198.51.100.8", 4242);
  const Bytes first = from_peer(1), second = from_peer(2), third = from_peer(3);
  wire_->arriving = {{first, moved}, {second, moved}, {third, again}};
  std::size_t answered = 0;
  for (int turn = 0; turn < 10; ++turn) {
    engine_->turn(0);
    for (std::size_t n = receive_all(*clear_).size(); n > 0; --n) {
      ASSERT_EQ(carried(1), 1u);
      EXPECT_EQ(wire_->sent.back().second.peer, again);
      ++answered;
    }
    EXPECT_EQ(answered, turn <= 3 ? 0u : 3u) << "turn " << turn;
    if (turn == 3) {
      EXPECT_THAT(kinds(), testing::SizeIs(2)) << "the control thread takes its time";
    }
  }
}

TEST_F(LifeTest, WhatWaitsForAMoveWaitsNotForEver) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  wire_->arriving = {{from_peer(1), endpoint("198.51.100.7", 31337)}};
  engine_->turn(0);
  EXPECT_THAT(receive_all(*clear_), testing::IsEmpty());
  *now_ += std::chrono::milliseconds(101);
  engine_->turn(0);
  EXPECT_THAT(receive_all(*clear_), testing::SizeIs(1)) << "nobody has taken the event";
  wire_->arriving = {{from_peer(2), endpoint("198.51.100.7", 31337)}};
  engine_->turn(0);
  EXPECT_THAT(receive_all(*clear_), testing::SizeIs(1)) << "it waits but once";
}

TEST_F(LifeTest, WhatWaitsForAMoveTakesNoMoreThanAQuarterOfTheMemory) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  constexpr std::uint32_t kSlots = 512;
  for (std::uint32_t i = 1; i <= kSlots / 4; ++i) wire_->arriving.emplace_back(from_peer(i), moved);
  for (int i = 0; i < 4; ++i) engine_->turn(0);
  EXPECT_THAT(receive_all(*clear_), testing::IsEmpty());
  wire_->arriving.emplace_back(from_peer(kSlots / 4 + 1), moved);
  engine_->turn(0);
  const auto got = receive_all(*clear_);
  ASSERT_EQ(got.size(), kSlots / 4 + 1);
}

TEST_F(LifeTest, AnSaThatIsRemovedInAMoveGivesWhatItHas) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  wire_->arriving = {{from_peer(1), endpoint("198.51.100.7", 31337)}};
  engine_->turn(0);
  ASSERT_TRUE(engine_->remove("in"));
  engine_->turn(0);
  EXPECT_THAT(receive_all(*clear_), testing::SizeIs(1));
  kinds();
  engine_->turn(0);
  kinds();
}

TEST_F(LifeTest, AnSaInPlaceOfAnotherBeginsWhereItsPeerIsNow) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  SaSpec out = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint made_for = out.peer, moved = endpoint("198.51.100.7", 31337);
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  const auto replace = [&](const char* name, std::uint32_t spi, const Endpoint& peer) {
    const std::string old = std::exchange(out.name, name);
    out.spi = spi;
    out.peer = peer;
    EXPECT_TRUE(engine_->add(out, bench_.session("openssl", out), old));
    EXPECT_TRUE(engine_->remove(old));
    EXPECT_EQ(carried(1), 1u);
    return wire_->sent.back().second.peer;
  };
  EXPECT_EQ(replace("next", 0x1002, made_for), moved);
  EXPECT_EQ(engine_->status("next")->peer, moved);
  const Endpoint again = endpoint("198.51.100.7", 4242);
  wire_->arriving.emplace_back(from_peer(2), again);
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::Contains(Kind::peer_moved));
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, again) << "it follows on";
  const Endpoint other = endpoint("203.0.113.5", 4500);
  EXPECT_EQ(replace("other", 0x1003, other), other) << "made for another peer";
}

TEST_F(LifeTest, APeerIsFollowedOnceTheWayToItIsReady) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec out = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  std::vector<std::pair<Endpoint, Endpoint>> asked;
  before_follow_ = [&](const Endpoint& made_for, const Endpoint& now) {
    EXPECT_EQ(carried(1), 1u);
    EXPECT_EQ(wire_->sent.back().second.peer, out.peer) << "not before";
    asked.emplace_back(made_for, now);
    return Result<void>();
  };
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::peer_moved));
  EXPECT_THAT(asked, testing::ElementsAre(std::pair(out.peer, moved)));
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, moved);
}

TEST_F(LifeTest, APeerToWhichThereIsNoWayIsNotFollowedAndItIsSaid) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec out = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  before_follow_ = [](const Endpoint&, const Endpoint&) -> Result<void> {
    return fail(ErrorCode::permission, "No route can be made.");
  };
  wire_->arriving.emplace_back(from_peer(1), endpoint("198.51.100.7", 31337));
  engine_->turn(0);
  const auto events = engine_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(
      events[0].words,
      "its peer sends from 198.51.100.7:31337 now, but is not followed there: No route can be "
      "made.");
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, out.peer);
}

TEST_F(LifeTest, NeitherAForgedNorAnOldPacketMovesAPeer) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint peer = endpoint("192.0.2.2", 4500);
  const Bytes first = from_peer(1), second = from_peer(2), third = from_peer(3);
  wire_->arriving.emplace_back(second, peer);
  engine_->turn(0);
  const Endpoint elsewhere = endpoint("203.0.113.9", 666);
  Bytes forged = third;
  forged.back() ^= 1;
  wire_->arriving.emplace_back(forged, elsewhere);
  wire_->arriving.emplace_back(second, elsewhere);  // a replay
  wire_->arriving.emplace_back(first, elsewhere);   // late: new to us, but not the newest
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 2u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, peer);
}

TEST_F(LifeTest, AReplayOfTheNewestPacketInOneBurstDoesNotMoveAPeer) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Bytes packet = from_peer(1);
  wire_->arriving.emplace_back(packet, endpoint("192.0.2.2", 4500));
  wire_->arriving.emplace_back(packet, endpoint("203.0.113.9", 666));
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 1u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
}

TEST_F(LifeTest, WithoutLeaveNothingMovesAPeer) {
  add(Direction::outbound);
  add(Direction::inbound);
  wire_->arriving.emplace_back(from_peer(1), endpoint("198.51.100.7", 31337));
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 1u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, endpoint("192.0.2.2", 4500));
}

TEST_F(LifeTest, AKeepaliveIsOneByteToWhereThePeerIs) {
  add(Direction::outbound);
  ASSERT_TRUE(engine_->send_keepalive("out"));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_EQ(wire_->sent[0].first, Bytes{0xff});
  EXPECT_EQ(wire_->sent[0].second.peer, endpoint("192.0.2.2", 4500));
}

// ---- traffic flow confidentiality ---------------------------------------------------------------

TEST_F(LifeTest, DummiesAreSentAndDroppedSilently) {
  add(Direction::outbound);
  ASSERT_TRUE(engine_->send_dummy("out", 333));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_GE(wire_->sent[0].first.size(), 333u);

  Gate receiver;
  const SaSpec in = tunnel_sa("in", Direction::inbound, "aes256gcm16");
  ASSERT_TRUE(receiver.engine->add(in, bench_.session("openssl", in)));
  ASSERT_TRUE(send(*receiver.wire[0], wire_->sent[0].first));
  receiver.turn();
  EXPECT_TRUE(receive_all(*receiver.clear[0]).empty());
  EXPECT_EQ(receiver.drops(Drop::in_dummy), 1u);
  EXPECT_EQ(receiver.status("in").errors, 0u) << "a dummy is no fault";
}

TEST_F(LifeTest, AfterTheHardLifetimeThereAreNoDummiesEither) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_packets = 1}; });
  carried(5);
  const std::size_t before = wire_->sent.size();
  ASSERT_TRUE(engine_->send_dummy("out", 333));
  engine_->turn(0);
  EXPECT_EQ(wire_->sent.size(), before);
}

// ---- a peer that was keyed apart ---------------------------------------------------------------

// Packets with an unknown SPI, for so many seconds, ten a second.
class StrangerTest : public LifeTest {
 protected:
  std::vector<std::string> told_in(int seconds, const char* from = "192.0.2.2",
                                   std::uint32_t spi = 0x7777) {
    std::vector<std::string> words;
    for (int i = 0; i < seconds * 10; ++i) {
      Bytes packet(64);
      store_be32(packet.data(), spi);
      wire_->arriving.emplace_back(packet, endpoint(from, 4500));
      engine_->turn(0);
      *now_ += std::chrono::milliseconds(100);
      for (const EngineEvent& event : engine_->take_events())
        if (event.kind == Kind::unknown_spi) words.push_back(event.words);
    }
    return words;
  }
};

TEST_F(StrangerTest, APeerWhosePacketsAreOfNoSaIsToldOnceAMinute) {
  add(Direction::inbound);
  EXPECT_THAT(told_in(59), testing::ElementsAre(testing::HasSubstr(
                               "The peer 192.0.2.2 sends packets with SPI 0x00007777, which is of "
                               "no SA here: they are dropped.")));
  EXPECT_EQ(drops(Drop::in_no_state), 590u);
  EXPECT_EQ(told_in(59).size(), 1u);
}

TEST_F(StrangerTest, PacketsThatAreLateAfterTheirSaHasGoneAreNoNews) {
  add(Direction::inbound);
  EXPECT_THAT(told_in(1), testing::IsEmpty());
  *now_ += std::chrono::seconds(11);
  EXPECT_THAT(told_in(1), testing::IsEmpty()) << "the next rekey";
}

TEST_F(StrangerTest, WhoeverIsNoPeerIsOnlyCounted) {
  add(Direction::inbound);
  EXPECT_THAT(told_in(10, "192.0.2.77"), testing::IsEmpty());
  EXPECT_EQ(drops(Drop::in_no_state), 100u);
  EXPECT_TRUE(engine_->remove("in"));
  EXPECT_THAT(told_in(10), testing::IsEmpty()) << "a peer that has no SA here any more";
}

TEST_F(StrangerTest, AFloodReachesTheControlThreadOnceASecond) {
  StrangerLimit limit;
  int taken = 0;
  for (int i = 0; i < 5000; ++i) {
    taken += limit.take(endpoint("192.0.2.2", 0).address, *now_);
    *now_ += std::chrono::milliseconds(1);
  }
  EXPECT_EQ(taken, 5);
}

}  // namespace
}  // namespace espalier::esp
