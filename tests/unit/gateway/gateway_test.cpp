// SPDX-License-Identifier: Apache-2.0
#include <espalier/gateway.hpp>

#include "unit/esp/two_gateways.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <chrono>

namespace espalier {
namespace {

using namespace test;

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    for (mock::FakeBackend* fake : {&first_, &second_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
  }
  // Starts the gateway with this order of backends.
  Gateway& with(std::vector<std::string> order) {
    Policy policy;
    policy.backends = std::move(order);
    policy.fallback = Fallback::fail;
    placer_ = std::make_unique<Placer>(*bench_.registry, policy, [this] { return now_; });
    gateway_ = std::make_unique<Gateway>(*bench_.registry, *placer_, *gate_.engine,
                                         [](int, std::string_view) {});
    return *gateway_;
  }
  SaKeys keys(std::uint8_t first) {
    const Transform transform = find_transform("aes256gcm16").value()->transform;
    const TransformInfo& info = *transform_info(transform);
    return {SecretBytes::copy(*bench_.secrets, Bytes(info.cipher_key_bytes, first)).value(),
            SecretBytes::copy(*bench_.secrets, Bytes(info.salt_bytes, first)).value(),
            {}};
  }
  void tend(int times = 3) {
    for (int i = 0; i < times; ++i) {
      gate_.turn();
      gateway_->tend();
    }
  }

  mock::FakeBackend first_ = mock::FakeBackendBuilder{}.name("first").build();
  mock::FakeBackend second_ = mock::FakeBackendBuilder{}.name("second").build();
  Bench bench_;
  Gate gate_;
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};  // of the placer
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, AnSaMovesWhenItsDeviceIsUnpluggedAndItsNumbersGoOn) {
  Gateway& gateway = with({"first", "second"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate_.turn();
  first_.control().unplug();
  tend();
  EXPECT_EQ(gateway.list().at(0).status.backend, "second");
  ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate_.turn();
  EXPECT_EQ(gateway.list().at(0).status.sequence, 2u);
}

TEST_F(GatewayTest, AnSaThatNobodyTakesIsNotReportedAsPlaced) {
  Gateway& gateway = with({"first"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  first_.control().unplug();
  tend();
  const GatewaySa sa = gateway.list().at(0);
  EXPECT_EQ(sa.status.backend, "none");
  EXPECT_FALSE(sa.decision->chosen) << "what is reported must be what is (law 8)";
}

TEST_F(GatewayTest, AReplacedSaMovesTooWhileItsGraceLasts) {
  Gateway& gateway = with({"first", "second"});
  SaSpec sa = tunnel_sa("a", Direction::inbound, "aes256gcm16", 0x1001);
  ASSERT_TRUE(gateway.add(sa, keys(1)));
  sa.spi = 0x1002;
  ASSERT_TRUE(gateway.rekey("a", sa, keys(2), std::chrono::hours(1)));
  first_.control().unplug();
  tend();
  EXPECT_EQ(second_.control().counters().sessions(), 2u) << "the old one and the new one";
}

TEST_F(GatewayTest, ACounterModeKeyServesOneSa) {
  Gateway& gateway = with({"first"});
  const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  ASSERT_TRUE(gateway.add(sa, keys(1)));
  ASSERT_TRUE(gateway.remove("a"));
  EXPECT_THAT(gateway.add(sa, keys(1)).error().message, testing::HasSubstr("give it fresh ones"));
  EXPECT_TRUE(gateway.add(sa, keys(2)));
}

TEST_F(GatewayTest, ACounterModeKeyServesOneDirection) {
  Gateway& gateway = with({"first"});
  const SaSpec in = tunnel_sa("in", Direction::inbound, "aes256gcm16");
  const SaSpec out = tunnel_sa("out", Direction::outbound, "aes256gcm16");
  ASSERT_TRUE(gateway.add(in, keys(1)));
  EXPECT_THAT(gateway.add(out, keys(1)).error().message, testing::HasSubstr("give it fresh ones"));
  ASSERT_TRUE(gateway.remove("in"));
  EXPECT_FALSE(gateway.add(out, keys(1))) << "it is remembered after its SA has gone";
}

TEST_F(GatewayTest, AKeyThatNoDeviceTookMayBeTriedAgain) {
  Gateway& gateway = with({"first"});
  const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  first_.control().refuse(mock::Call::session_open, ESPALIER_TRANSIENT, "not now", 1);
  EXPECT_FALSE(gateway.add(sa, keys(1)));
  now_ += std::chrono::milliseconds(600);
  EXPECT_TRUE(gateway.add(sa, keys(1)));
}

TEST_F(GatewayTest, ARefusalOfABetterDeviceIsToldOnceAPlacement) {
  Gateway& gateway = with({"first", "second"});
  const auto told = [&] {
    gate_.turn();
    std::vector<std::string> texts;
    for (const GatewayEvent& event : gateway.tend())
      if (event.kind == GatewayEvent::Kind::refused) texts.push_back(event.sa + ": " + event.text);
    return texts;
  };
  first_.control().refuse(mock::Call::session_open, ESPALIER_CAPACITY, "no room");
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1001), keys(1)));
  const std::string device = gateway.find("a")->status.device;
  EXPECT_THAT(told(), testing::ElementsAre(testing::AllOf(
                          testing::StartsWith("a: SA 'a' went to second " + device + ", because"),
                          testing::HasSubstr("first " + device), testing::HasSubstr("no room"))));
  tend();
  EXPECT_THAT(told(), testing::IsEmpty()) << "it stays where it is";
  ASSERT_TRUE(gateway.rekey("a", tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1002),
                            keys(2), std::chrono::seconds(0)));
  EXPECT_EQ(told().size(), 1u) << "another placement";
  ASSERT_TRUE(gateway.remove("a"));
}

TEST_F(GatewayTest, ADeviceThatTookAnSaIsNoNews) {
  Gateway& gateway = with({"first", "second"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  EXPECT_THAT(gateway.tend(), testing::IsEmpty());
}

TEST_F(GatewayTest, AnSaThatNobodyTakesIsTriedAgainOnlyOnceSomethingHasChanged) {
  Gateway& gateway = with({"first", "second"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  second_.control().refuse(mock::Call::session_open, ESPALIER_INVALID, "a weak key");
  first_.control().unplug();
  tend();
  const auto asked = second_.control().counters().sessions_asked;
  EXPECT_GE(asked, 1u);
  tend(20);
  EXPECT_EQ(second_.control().counters().sessions_asked, asked) << "the answer would be the same";
  Policy other = placer_->policy();
  other.fallback = Fallback::next;
  placer_->set_policy(other);
  tend();
  EXPECT_EQ(second_.control().counters().sessions_asked, asked + 1);
  EXPECT_EQ(gateway.list().at(0).status.backend, "none");
}

TEST_F(GatewayTest, AnSaThatNobodyTookIsPlacedOnceADeviceIsThere) {
  Gateway& gateway = with({"first", "second"});
  second_.control().unplug();
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  first_.control().unplug();
  tend();
  ASSERT_EQ(gateway.find("a")->status.backend, "none");
  second_.control().plug_in();
  now_ += std::chrono::seconds(2);  // it is quarantined first
  tend();
  EXPECT_EQ(gateway.find("a")->status.backend, "second");
}

TEST_F(GatewayTest, ADeviceThatIsBackIsTold) {
  using Kind = GatewayEvent::Kind;
  Gateway& gateway = with({"first", "second"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  first_.control().unplug();
  tend();
  first_.control().plug_in();
  now_ += std::chrono::seconds(2);  // it is quarantined first
  const auto events = gateway.tend();
  const auto back = std::ranges::find(events, Kind::device_back, &GatewayEvent::kind);
  ASSERT_NE(back, events.end());
  EXPECT_THAT(back->text, testing::HasSubstr("of backend first is back"));
  EXPECT_EQ(to_string(back->kind), "device.back");
  EXPECT_EQ(to_string(Kind::tun_gone), "tun.gone") << "the names are those of the kinds";
  EXPECT_EQ(gateway.find("a")->status.backend, "second") << "as the text says";
}

TEST_F(GatewayTest, TheRoomOfSasThatMovedAwayIsFreeOnceTheirDeviceIsBack) {
  Gateway& gateway = with({"first", "second"});
  Policy limited = placer_->policy();
  limited.limits = {{.backend = "first", .max_sas = 2}};
  placer_->set_policy(limited);
  const auto add = [&](const char* name, std::uint32_t spi) {
    EXPECT_TRUE(gateway.add(tunnel_sa(name, Direction::outbound, "aes256gcm16", spi),
                            keys(static_cast<std::uint8_t>(spi))));
    return gateway.find(name)->status.backend;
  };
  ASSERT_EQ(add("a", 0x1001), "first");
  ASSERT_EQ(add("b", 0x1002), "first");
  first_.control().unplug();
  tend();
  ASSERT_EQ(gateway.find("a")->status.backend, "second");
  ASSERT_EQ(gateway.find("b")->status.backend, "second");
  first_.control().plug_in();
  now_ += std::chrono::seconds(2);  // it is quarantined first
  tend();
  EXPECT_EQ(add("c", 0x1003), "first");
  EXPECT_EQ(add("d", 0x1004), "first");
  EXPECT_EQ(add("e", 0x1005), "second") << "now it is full";
}

TEST_F(GatewayTest, TwoOutboundSasToOnePeerNeedTwoSpis) {
  Gateway& gateway = with({"first"});
  SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1001);
  ASSERT_TRUE(gateway.add(sa, keys(1)));
  sa.name = "b";
  const auto refused = gateway.add(sa, keys(2));
  ASSERT_FALSE(refused) << "the peer could not tell them apart";
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_EQ(
      refused.error().message,
      "SPI 0x1001 of SA 'b' is that of outbound SA 'a' to the same peer 192.0.2.2:4500 already, "
      "which could not tell them apart; give each the SPI that the peer chose");
  sa.peer.address = IpAddress::parse("192.0.2.3").value();
  EXPECT_TRUE(gateway.add(sa, keys(3))) << "another peer chooses its own";
  sa = tunnel_sa("c", Direction::outbound, "aes256gcm16", 0x1001);
  ASSERT_TRUE(gateway.remove("a"));
  EXPECT_TRUE(gateway.add(sa, keys(4))) << "it is free again";
}

TEST_F(GatewayTest, ARekeyToAnSpiThatThePeerHasInUseIsRefused) {
  Gateway& gateway = with({"first"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1001), keys(1)));
  ASSERT_TRUE(gateway.add(tunnel_sa("b", Direction::outbound, "aes256gcm16", 0x1002), keys(2)));
  EXPECT_FALSE(gateway.rekey("a", tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1002),
                             keys(3), std::chrono::seconds(0)));
}

TEST_F(GatewayTest, PeopleAreToldTheNamesThatTheyGave) {
  Gateway& gateway = with({"first"});
  first_.control().refuse(mock::Call::session_open, ESPALIER_UNSUPPORTED, "no");
  const SaSpec out = tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1001);
  const auto nobody = gateway.add(out, keys(1));
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().message, testing::HasSubstr("no backend takes SA 'a'"));
  EXPECT_THAT(nobody.error().message, testing::Not(testing::HasSubstr("#1001")));
}

TEST_F(GatewayTest, NoSentenceOfTheEngineNamesWhatOnlyItKnows) {
  Gateway& gateway = with({"first"});
  SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16", 0x1001);
  sa.mode = Mode::transport;
  const auto refused = gateway.add(sa, keys(1));
  ASSERT_FALSE(refused) << "its selectors are not those of its ends";
  EXPECT_THAT(refused.error().message, testing::HasSubstr("SA 'a'"));
  EXPECT_THAT(refused.error().message, testing::Not(testing::HasSubstr("#1001")));
  ASSERT_TRUE(gateway.add(tunnel_sa("b", Direction::inbound, "aes256gcm16", 0x1001), keys(2)));
  EXPECT_EQ(gateway.add(tunnel_sa("c", Direction::inbound, "aes256gcm16", 0x1001), keys(3))
                .error()
                .message,
            "SPI 0x1001 of SA 'c' is that of inbound SA 'b' already; choose another");
}

TEST_F(GatewayTest, GivesItsSasInPartsByName) {
  Gateway& gateway = with({"first"});
  for (const char* name : {"c", "a", "d", "b"})
    ASSERT_TRUE(gateway.add(tunnel_sa(name, Direction::outbound, "aes256gcm16",
                                      0x1000u + static_cast<unsigned char>(*name)),
                            keys(static_cast<std::uint8_t>(*name))));
  const auto names = [](const auto& sas) {
    std::string all;
    for (const auto& sa : sas) all += sa.spec.name;
    return all;
  };
  EXPECT_EQ(names(gateway.list()), "abcd");
  EXPECT_EQ(names(gateway.list("", 2)), "ab");
  EXPECT_EQ(names(gateway.list("b", 2)), "cd");
  EXPECT_EQ(names(gateway.list("bb", 1)), "c") << "one that has gone meanwhile still says where";
  EXPECT_EQ(names(gateway.list("d")), "");
  EXPECT_EQ(gateway.size(), 4u);
  EXPECT_EQ(gateway.find("c")->spec.name, "c");
  EXPECT_FALSE(gateway.find("e"));
}

TEST_F(GatewayTest, TellsWhatEachSaCarried) {
  Gateway& gateway = with({"first"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate_.turn();
  const auto traffic = gateway.traffic();
  ASSERT_EQ(traffic.size(), 1u);
  EXPECT_EQ(traffic[0].name, "a");
  EXPECT_EQ(traffic[0].counters.packets, 1u);
  EXPECT_EQ(traffic[0].counters.sequence, 1u);
  const SaStatus status = gateway.find("a")->status;
  EXPECT_EQ(traffic[0].counters.bytes, status.bytes);
}

}  // namespace
}  // namespace espalier
