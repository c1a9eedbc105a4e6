// SPDX-License-Identifier: Apache-2.0
#include "observe/silence_watch.hpp"

#include "unit/observe/sas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SilenceWatchTest : public testing::Test {
 protected:
  // The sentences; the kinds of the events are kept.
  std::vector<std::string> look(int at) {
    std::vector<SaTraffic> traffic;
    for (const GatewaySa& sa : sas_)
      traffic.push_back(
          {sa.spec.name, &sa.spec, {.packets = sa.status.packets, .errors = sa.status.errors}});
    std::vector<std::string> sentences;
    for (const GatewayEvent& event : watch_.look(traffic, start_ + seconds(at))) {
      sentences.push_back(event.text);
      kinds_.push_back(event.kind);
    }
    return sentences;
  }
  SaStatus& out() { return sas_[0].status; }
  SaStatus& in() { return sas_[1].status; }

  std::vector<GatewaySa> sas_ = {test::gateway_sa("t/out", Direction::outbound),
                                 test::gateway_sa("t/in", Direction::inbound)};
  SilenceWatch watch_;
  std::vector<GatewayEvent::Kind> kinds_;
  SilenceWatch::Time start_{seconds(1000)};
};

TEST_F(SilenceWatchTest, SaysNothingWhileNothingIsSent) {
  EXPECT_THAT(look(0), IsEmpty());
  EXPECT_THAT(look(100), IsEmpty());
}

TEST_F(SilenceWatchTest, NamesASilentPeerTenSecondsAfterTheFirstPacketLeft) {
  out().packets = 1;
  EXPECT_THAT(look(0), IsEmpty());
  EXPECT_THAT(look(9), IsEmpty());
  EXPECT_THAT(
      look(10),
      ElementsAre("The peer 192.0.2.2 is silent: no packet of its SAs came in the 10 s since "
                  "the first of SA 't/out' left. Check that Espalier runs there, that a "
                  "firewall lets UDP port 4500 through both ways, and that its "
                  "configuration has 192.0.2.1 as this end."));
}

TEST_F(SilenceWatchTest, WaitsFromTheFirstPacketUntilThePeerIsHeardOrNamed) {
  look(0);
  EXPECT_FALSE(watch_.is_waiting());
  out().packets = 1;
  look(1);
  EXPECT_TRUE(watch_.is_waiting());
  look(11);
  EXPECT_FALSE(watch_.is_waiting()) << "it was named";
  in().packets = 1;
  look(12);
  EXPECT_FALSE(watch_.is_waiting());
  out().packets = 2;
  look(13);
  EXPECT_TRUE(watch_.is_waiting());
  in().packets = 2;
  look(14);
  EXPECT_FALSE(watch_.is_waiting()) << "it was heard";
}

TEST_F(SilenceWatchTest, SaysItOnce) {
  out().packets = 1;
  look(0);
  EXPECT_FALSE(look(10).empty());
  EXPECT_THAT(look(11), IsEmpty());
  EXPECT_THAT(look(1000), IsEmpty());
}

TEST_F(SilenceWatchTest, SaysForHowLongUntilThePeerIsHeard) {
  const IpAddress peer = sas_[0].spec.peer.address;
  out().packets = 1;
  look(0);
  EXPECT_EQ(watch_.silent_for(peer, start_ + seconds(9)), std::nullopt);
  look(10);
  EXPECT_EQ(watch_.silent_for(peer, start_ + seconds(45)), seconds(45));
  EXPECT_EQ(watch_.silent_for(IpAddress::parse("192.0.2.77").value(), start_ + seconds(45)),
            std::nullopt);
  in().packets = 1;
  look(50);
  EXPECT_EQ(watch_.silent_for(peer, start_ + seconds(51)), std::nullopt);
}

TEST_F(SilenceWatchTest, IsContentWithOnePacketFromThePeer) {
  out().packets = 100;
  look(0);
  in().packets = 1;
  EXPECT_THAT(look(10), IsEmpty());
}

TEST_F(SilenceWatchTest, NamesProtocol50WhereThereIsNoUdp) {
  for (GatewaySa& sa : sas_) sa.spec.encapsulation = Encapsulation::none;
  out().packets = 1;
  look(0);
  EXPECT_THAT(look(10), ElementsAre(HasSubstr("IP protocol 50 (ESP)")));
}

TEST_F(SilenceWatchTest, TellsAPeerWithOtherKeysFromASilentOne) {
  out().packets = 1;
  in().errors = 7;
  look(0);
  EXPECT_THAT(look(10), ElementsAre(HasSubstr("sends packets, but all 7 of them were dropped")));
}

TEST_F(SilenceWatchTest, WatchesEachPeerByItself) {
  GatewaySa other = test::gateway_sa("u/out", Direction::outbound);
  other.spec.peer.address = IpAddress::parse("2001:db8::2").value();
  other.status.packets = 1;
  sas_.push_back(other);
  out().packets = 1;
  in().packets = 1;
  look(0);
  EXPECT_THAT(look(10), ElementsAre(HasSubstr("The peer 2001:db8::2 is silent")));
}

TEST_F(SilenceWatchTest, NamesAPeerThatFallsSilentLaterAndWhenItIsHeardAgain) {
  out().packets = in().packets = 5;
  EXPECT_THAT(look(0), IsEmpty());
  EXPECT_THAT(look(100), IsEmpty()) << "nothing was sent, so that nothing is missing";
  out().packets = 6;
  EXPECT_THAT(look(101), IsEmpty());
  EXPECT_THAT(look(130), IsEmpty());
  EXPECT_THAT(look(131), ElementsAre(HasSubstr("The peer 192.0.2.2 has fallen silent: SA 't/out' "
                                               "sends, and no packet of its SAs came in 30 s.")));
  out().packets = 1000;
  EXPECT_THAT(look(200), IsEmpty()) << "it is said once";
  in().packets = 6;
  EXPECT_THAT(look(201), ElementsAre("The peer 192.0.2.2 is heard again."));
  EXPECT_THAT(look(300), IsEmpty());
  EXPECT_THAT(kinds_, ElementsAre(GatewayEvent::Kind::peer_silent, GatewayEvent::Kind::peer_heard));
}

TEST_F(SilenceWatchTest, ARekeyThatTakesCountersAwayIsNoSilence) {
  out().packets = in().packets = 5000;
  look(0);
  out().packets = in().packets = 0;
  EXPECT_THAT(look(1), IsEmpty());
  out().packets = in().packets = 10;
  EXPECT_THAT(look(2), IsEmpty());
  EXPECT_THAT(look(60), IsEmpty());
}

TEST_F(SilenceWatchTest, StartsAnewWithAPeerWhoseSasWereReplaced) {
  out().packets = 1;
  look(0);
  EXPECT_FALSE(look(10).empty());
  const auto sas = std::exchange(sas_, {});
  look(11);
  sas_ = sas;
  look(20);
  EXPECT_THAT(look(29), IsEmpty());
  EXPECT_FALSE(look(30).empty());
}

}  // namespace
}  // namespace espalier
