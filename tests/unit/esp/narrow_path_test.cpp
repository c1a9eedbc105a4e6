// SPDX-License-Identifier: Apache-2.0
//
// A path that narrows in the life of an SA: who is told, what still passes, and for how long.
#include "unit/esp/life.hpp"

#include "esp/bytes.hpp"
#include "esp/too_big.hpp"

#include <gmock/gmock.h>

namespace espalier::esp {
namespace {

TEST_F(LifeTest, OnAPathThatNarrowsTheSenderIsTold) {
  const SaSpec sa = add(Direction::outbound);
  EXPECT_EQ(carried(1, 1372), 1u) << "nothing is known of the path yet";
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::path_mtu));
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(drops(Drop::out_too_big), 1u);
  const auto answers = receive_all(*clear_);
  ASSERT_EQ(answers.size(), 1u);
  const std::uint32_t fits = load_be32(answers[0].data() + 24);
  EXPECT_GT(fits, 1200u);
  EXPECT_LT(fits, 1300u);
  EXPECT_EQ(carried(1, fits - 28), 1u);
  EXPECT_LE(wire_->sent.back().first.size() + 28, 1300u);
  EXPECT_EQ(carried(1, fits - 27), 0u);
}

TEST_F(LifeTest, ADummyIsNoLongerThanThePathTakes) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  ASSERT_TRUE(engine_->send_dummy("out", 3000));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_LE(wire_->sent[0].first.size() + 28, 1300u);
  EXPECT_GT(wire_->sent[0].first.size() + 28, 1290u);
}

TEST_F(LifeTest, EachPacketThatAnSaDropsIsAnErrorOfIt) {
  const SaSpec out = add(Direction::outbound);
  add(Direction::inbound);
  const auto errors = [&](std::string_view sa) { return engine_->status(sa)->errors; };
  wire_->narrower = PathMtu{out.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(errors("out"), 1u) << "one whose sender was told is dropped, too";
  EXPECT_EQ(carried(100, 1372), 0u);
  EXPECT_EQ(errors("out"), 101u) << "also those whose sender was told no more";
  Bytes forged = from_peer(1);
  forged.back() ^= 1;
  const Endpoint peer = endpoint("192.0.2.2", 4500);
  wire_->arriving.emplace_back(forged, peer);
  forged[3] ^= 1;  // of no SA
  wire_->arriving.emplace_back(forged, peer);
  engine_->turn(0);
  EXPECT_EQ(errors("in"), 1u);
  EXPECT_EQ(errors("out"), 101u);
}

// Every host receives 576 bytes, so no sender is told to send less: it might not obey. What is
// longer than such a path takes goes without DF instead, as Linux does it below
// net.ipv4.route.min_pmtu.
TEST_F(LifeTest, APathThatTakesTooLittleFragmentsWhatEveryPathShouldTake) {
  const SaSpec sa = add(Direction::outbound);
  const auto outer = [&] { return wire_->sent.back().first.size() + 28; };
  wire_->narrower = PathMtu{sa.peer.address, 500};
  engine_->turn(0);
  const auto events = engine_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].words, testing::AllOf(testing::HasSubstr("takes packets of 500 bytes"),
                                              testing::HasSubstr("should take 576")));
  ASSERT_EQ(carried(1, 300), 1u);
  EXPECT_LE(outer(), 500u);
  EXPECT_TRUE(wire_->sent.back().second.dont_fragment);
  for (const std::size_t payload : {450u, 480u}) {
    ASSERT_EQ(carried(1, payload), 1u) << "a black hole";
    EXPECT_GT(outer(), 500u);
    EXPECT_LE(outer(), 576u);
    EXPECT_FALSE(wire_->sent.back().second.dont_fragment) << "a black hole";
  }
  EXPECT_EQ(carried(1, 600), 0u);
  EXPECT_EQ(drops(Drop::out_too_big), 1u);
  const auto answers = receive_all(*clear_);
  ASSERT_EQ(answers.size(), 1u);
  const std::uint32_t asked_for = load_be32(answers[0].data() + 24);
  EXPECT_EQ(carried(1, asked_for - 28), 1u) << "who obeys is refused again";
  EXPECT_GT(outer(), 570u);
}

TEST_F(LifeTest, AForgedReportCannotCloseAPath) {
  const SaSpec sa = add(Direction::outbound);
  for (const std::uint32_t mtu : {68u, 1u}) {
    wire_->narrower = PathMtu{sa.peer.address, mtu};
    engine_->turn(0);
    EXPECT_THAT(kinds(), testing::ElementsAre(Kind::path_mtu));
    EXPECT_EQ(carried(1, 450), 1u);
  }
}

// What is longer than a path takes is not sent over it whole: whoever says now that it takes more
// speaks of what was sent before. So does the kernel, which keeps to 552 bytes what is below.
TEST_F(LifeTest, ALaterReportDoesNotWidenAPath) {
  const SaSpec sa = add(Direction::outbound);
  for (const std::uint32_t mtu : {500u, 552u, 1300u}) {
    wire_->narrower = PathMtu{sa.peer.address, mtu};
    engine_->turn(0);
    EXPECT_EQ(kinds().size(), mtu == 500 ? 1u : 0u);
    ASSERT_EQ(carried(1, 450), 1u);
    EXPECT_FALSE(wire_->sent.back().second.dont_fragment);
  }
}

// RFC 8201 4: such a message must be discarded.
TEST_F(LifeTest, AnIpv6PathThatClaimsToTakeLessThan1280BytesIsNotBelieved) {
  const SaSpec sa = add(Direction::outbound, [](SaSpec& six) {
    six.local.address = IpAddress::parse("2001:db8::1").value();
    six.peer.address = IpAddress::parse("2001:db8::2").value();
  });
  wire_->narrower = PathMtu{sa.peer.address, 1279};
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  EXPECT_EQ(carried(1, 1372), 1u);
  wire_->narrower = PathMtu{sa.peer.address, 1280};
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::path_mtu));
  EXPECT_EQ(carried(1, 1372), 0u);
}

TEST_F(LifeTest, ThePathToAPeerThatMovedIsThatToWhereItIs) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec sa = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 1u) << "nothing is known of the path to where it is now";
  wire_->narrower = PathMtu{moved.address, 1400};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(drops(Drop::out_too_big), 2u);
}

TEST_F(LifeTest, ANewSaKnowsThePathThatOthersFound) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  ASSERT_TRUE(engine_->remove("out"));
  add(Direction::outbound, [](SaSpec& other) { other.spi = 0x3001; });
  EXPECT_EQ(carried(1, 1372), 0u);
}

TEST_F(LifeTest, AfterTenMinutesAPathIsTriedAgain) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  *now_ += std::chrono::minutes(10);
  kinds();
  EXPECT_EQ(carried(1, 1372), 1u);
}

TEST_F(LifeTest, SendersAreToldNoMoreOftenThanTheLimitAllows) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  carried(200, 1372);
  EXPECT_EQ(drops(Drop::out_too_big), 200u);
  EXPECT_EQ(receive_all(*clear_).size(), AnswerLimit::kBurst);
}

}  // namespace
}  // namespace espalier::esp
