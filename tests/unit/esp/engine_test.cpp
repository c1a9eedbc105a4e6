// SPDX-License-Identifier: Apache-2.0
#include "unit/esp/every_transform.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_fields.hpp"
#include "esp/layout.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>

namespace espalier::esp {
namespace {

using namespace test;

class EngineTest : public testing::Test {
 protected:
  EngineTest() { add_backends(bench); }
  // An SA from `left` to `right`.
  void join(const SaSpec& out, std::string_view sender = "openssl",
            std::string_view receiver = "openssl") {
    SaSpec in = out;
    in.direction = Direction::inbound;
    in.name = out.name + "/in";
    ASSERT_TRUE(left.engine->add(out, bench.session(sender, out)));
    ASSERT_TRUE(right.engine->add(in, bench.session(receiver, in)));
  }
  std::vector<Bytes> sealed() {
    left.turn();
    return receive_all(*left.wire[0]);
  }
  // What `right` makes of packets from the wire.
  std::vector<Bytes> opened(const std::vector<Bytes>& packets) {
    std::vector<Bytes> all;
    for (const Bytes& packet : packets) {
      EXPECT_TRUE(send(*right.wire[0], packet));
      right.turn();
      for (Bytes& inner : receive_all(*right.clear[0])) all.push_back(std::move(inner));
    }
    return all;
  }

  Bench bench;
  Gate left, right;
};

class EngineTransform : public EngineTest, public testing::WithParamInterface<OnBackend> {};
INSTANTIATE_TEST_SUITE_P(All, EngineTransform, testing::ValuesIn(every_transform()),
                         [](const auto& param) { return param.param.name(); });

TEST_P(EngineTransform, CarriesPacketsOfEveryLengthUnchangedAndInOrder) {
  if (!does(bench, GetParam())) return;
  const auto& [backend, transform] = GetParam();
  for (const bool esn : {false, true}) {
    SaSpec sa = tunnel_sa(esn ? "esn" : "plain", Direction::outbound, transform->name,
                          esn ? 0x2001 : 0x1001);
    sa.esn = esn;
    if (esn) {  // the outer header is the port's, and of either family
      sa.local.address = IpAddress::parse("2001:db8::1").value();
      sa.peer.address = IpAddress::parse("2001:db8::2").value();
    }
    // What one backend sealed the other opens, in either direction.
    join(sa, esn ? backend : "openssl", esn ? "openssl" : backend);
    std::vector<Bytes> sent;
    for (std::size_t payload = 0; payload < 300; ++payload) {
      sent.push_back(payload % 2 == 0 ? udp_packet("10.1.0.1", "10.2.0.1", payload)
                                      : udp_packet("fd00:1::1", "fd00:2::1", payload));
    }
    for (const std::size_t payload : {1400u, 1472u, 8900u, 65000u}) {
      sent.push_back(udp_packet("10.1.0.1", "10.2.0.1", payload));
    }
    std::vector<Bytes> got;
    for (const Bytes& packet : sent) {
      ASSERT_TRUE(send(*left.clear[0], packet));
      for (Bytes& inner : opened(sealed())) got.push_back(std::move(inner));
    }
    ASSERT_EQ(got, sent);
    EXPECT_EQ(left.all_drops() + right.all_drops(), 0u);
    EXPECT_EQ(right.status(sa.name + "/in").packets, sent.size());
    EXPECT_EQ(left.status(sa.name).sequence, sent.size());
  }
}

TEST_F(EngineTest, NumbersStartAtOneAndTheSpiIsInFront) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16", 0xabcdef01));
  for (std::uint32_t i = 1; i < 200; ++i) {
    ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", i)));
    const auto wire = sealed();
    ASSERT_EQ(wire.size(), 1u);
    EXPECT_EQ(load_be32(wire[0].data()), 0xabcdef01);
    EXPECT_EQ(load_be32(wire[0].data() + 4), i);
  }
}

TEST_F(EngineTest, EveryIvOfOneKeyIsDifferent) {
  for (const char* transform : {"aes256gcm16", "aes128-sha1"}) {
    const TransformInfo& info = *find_transform(transform).value();
    join(tunnel_sa(transform, Direction::outbound, transform, 0x1000u + info.iv_bytes));
    std::set<Bytes> ivs;
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
      for (const Bytes& packet : sealed()) {
        ivs.insert({packet.begin() + 8, packet.begin() + 8 + info.iv_bytes});
      }
    }
    EXPECT_EQ(ivs.size(), 2000u) << transform;
    ASSERT_TRUE(left.engine->remove(transform));
  }
}

// The low half alone, which is on the wire as sequence number, comes again after 2^32 packets.
TEST_F(EngineTest, TheIvOfACounterModeIsAll64BitsOfTheNumber) {
  EngineOptions options;
  options.first_sequence = 0x1ffffffff;
  for (const char* transform :
       {"aes256gcm16", "aes128ctr-sha256", "aes128gmac", "chacha20poly1305"}) {
    Gate gate(1, options);
    SaSpec sa = tunnel_sa("out", Direction::outbound, transform);
    sa.esn = true;
    ASSERT_TRUE(gate.engine->add(sa, bench.session("openssl", sa)));
    for (int i = 0; i < 3; ++i)
      ASSERT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
    gate.turn();
    std::vector<std::uint64_t> ivs;
    for (const Bytes& packet : receive_all(*gate.wire[0]))
      ivs.push_back(std::uint64_t{load_be32(packet.data() + kEspHeader)} << 32 |
                    load_be32(packet.data() + kEspHeader + 4));
    EXPECT_THAT(ivs, testing::ElementsAre(0x1ffffffffU, 0x200000000U, 0x200000001U)) << transform;
  }
}

TEST_F(EngineTest, InTransportModeEachFragmentIsCountedAndNothingElseHappens) {
  SaSpec sa = tunnel_sa("host", Direction::outbound, "aes256gcm16");
  sa.mode = Mode::transport;
  sa.selectors = {{IpPrefix::parse("192.0.2.1").value(), IpPrefix::parse("192.0.2.2").value()}};
  ASSERT_TRUE(left.engine->add(sa, bench.session("openssl", sa)));
  Bytes first = udp_packet("192.0.2.1", "192.0.2.2", 1352);
  first[6] = 0x20;  // more follow
  Bytes last = udp_packet("192.0.2.1", "192.0.2.2", 200);
  last[6] = 0, last[7] = 170;  // from byte 1360 on
  for (const Bytes& fragment : {first, last}) ASSERT_TRUE(send(*left.clear[0], fragment));
  left.turn();
  EXPECT_EQ(left.drops(Drop::out_transport), 2u);
  EXPECT_EQ(left.status("host").errors, 2u);
  EXPECT_EQ(left.status("host").sequence, 0u) << "a number was used";
  EXPECT_TRUE(receive_all(*left.wire[0]).empty());
  EXPECT_TRUE(receive_all(*left.clear[0]).empty()) << "there is no ICMP message for it";
  ASSERT_TRUE(send(*left.clear[0], udp_packet("192.0.2.1", "192.0.2.2", 1352)));
  left.turn();
  EXPECT_EQ(receive_all(*left.wire[0]).size(), 1u) << "whole datagrams pass";
}

TEST_F(EngineTest, WhatNoSaProtectsIsDropped) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.99.0.1", 20)));
  ASSERT_TRUE(send(*left.clear[0], Bytes{1, 2, 3}));
  EXPECT_TRUE(sealed().empty());
  EXPECT_EQ(left.drops(Drop::out_no_policy), 1u);
  EXPECT_EQ(left.drops(Drop::out_not_ip), 1u);
}

TEST_F(EngineTest, AReplayIsDroppedAndCounted) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  const auto wire = sealed();
  EXPECT_EQ(opened(wire).size(), 1u);
  EXPECT_EQ(opened(wire).size(), 0u);
  EXPECT_EQ(right.drops(Drop::in_replay), 1u);
}

TEST_F(EngineTest, AReplayWithinOneBurstIsDroppedByTheAuthoritativeCheck) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  const auto wire = sealed();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(send(*right.wire[0], wire[0]));
  right.turn();
  EXPECT_EQ(receive_all(*right.clear[0]).size(), 1u);
  EXPECT_EQ(right.drops(Drop::in_replay), 2u);
}

TEST_F(EngineTest, AForgedPacketDoesNotMoveTheWindow) {
  SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  sa.replay_window = 32;
  join(sa);
  std::vector<Bytes> wire;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
    for (Bytes& packet : sealed()) wire.push_back(std::move(packet));
  }
  Bytes forged = wire[0];
  store_be32(forged.data() + 4, 1'000'000);
  EXPECT_TRUE(opened({forged}).empty());
  EXPECT_EQ(right.drops(Drop::in_bad_icv), 1u);
  EXPECT_EQ(opened(wire).size(), 3u) << "the forged number moved the window past good packets";
}

TEST_F(EngineTest, EveryChangedBitOfAPacketIsNoticed) {
  for (const char* transform : {"aes256gcm16", "aes128-sha1"}) {
    const std::uint32_t spi = transform[3] == '2' ? 0x1002 : 0x1001;
    join(tunnel_sa(transform, Direction::outbound, transform, spi));
    ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
    const auto wire = sealed();
    ASSERT_EQ(wire.size(), 1u);
    for (std::size_t bit = 0; bit < wire[0].size() * 8; ++bit) {
      Bytes changed = wire[0];
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1u << (bit % 8));
      ASSERT_TRUE(opened({changed}).empty()) << transform << ": bit " << bit << " went unnoticed";
    }
    EXPECT_EQ(opened(wire).size(), 1u) << "the unchanged packet is still good";
  }
}

TEST_F(EngineTest, EveryTruncationIsDropped) {
  join(tunnel_sa("a", Direction::outbound, "aes128-sha1"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 50)));
  const auto wire = sealed();
  for (std::size_t n = 0; n < wire[0].size(); ++n) {
    ASSERT_TRUE(opened({Bytes(wire[0].begin(), wire[0].begin() + std::ptrdiff_t(n))}).empty());
  }
  EXPECT_EQ(right.all_drops(), wire[0].size());
  EXPECT_GT(right.drops(Drop::in_truncated), 0u);
  EXPECT_GT(right.drops(Drop::in_misaligned), 0u);
}

TEST_F(EngineTest, UnknownSpiAndSequenceZeroHaveCountersOfTheirOwn) {
  SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  sa.esn = false;
  join(sa);
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  Bytes packet = sealed()[0];
  Bytes zero = packet;
  store_be32(zero.data() + 4, 0);
  store_be32(packet.data(), 0x7777);
  opened({packet, zero});
  EXPECT_EQ(right.drops(Drop::in_no_state), 1u);
  EXPECT_EQ(right.drops(Drop::in_sequence_zero), 1u);
}

TEST_F(EngineTest, AnAuthenticPacketOutsideOfTheSelectorsIsDropped) {
  SaSpec wide = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  SaSpec narrow = wide;
  narrow.direction = Direction::inbound;
  narrow.selectors = {
      {IpPrefix::parse("10.1.0.0/24").value(), IpPrefix::parse("10.2.0.0/24").value()}};
  ASSERT_TRUE(left.engine->add(wide, bench.session("openssl", wide)));
  ASSERT_TRUE(right.engine->add(narrow, bench.session("openssl", narrow)));
  for (const char* source : {"10.1.0.1", "10.1.9.1"}) {
    ASSERT_TRUE(send(*left.clear[0], udp_packet(source, "10.2.0.1", 20)));
  }
  EXPECT_EQ(opened(sealed()).size(), 1u);
  EXPECT_EQ(right.drops(Drop::in_selector), 1u);
}

TEST_F(EngineTest, AnAuthenticPacketOutsideOfTheSelectorsPortsOrProtocolIsDropped) {
  SaSpec wide = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  SaSpec narrow = wide;
  narrow.direction = Direction::inbound;
  narrow.selectors[0].protocol = esp::kUdp;
  narrow.selectors[0].source_port_low = narrow.selectors[0].source_port_high = 1111;
  narrow.selectors[0].destination_port_low = 2000;
  narrow.selectors[0].destination_port_high = 2999;
  ASSERT_TRUE(left.engine->add(wide, bench.session("openssl", wide)));
  ASSERT_TRUE(right.engine->add(narrow, bench.session("openssl", narrow)));
  const auto accepts = [&](const Bytes& packet) {
    EXPECT_TRUE(send(*left.clear[0], packet));
    return opened(sealed()).size() == 1;
  };
  EXPECT_TRUE(accepts(udp_packet("10.1.0.1", "10.2.0.1", 20, 1111, 2999)));
  EXPECT_FALSE(accepts(udp_packet("10.1.0.1", "10.2.0.1", 20, 1112, 2999)));
  EXPECT_FALSE(accepts(udp_packet("10.1.0.1", "10.2.0.1", 20, 1111, 3000)));
  Bytes tcp = udp_packet("10.1.0.1", "10.2.0.1", 20, 1111, 2222);
  tcp[esp::kIpv4Protocol] = esp::kTcp;
  EXPECT_FALSE(accepts(tcp));
  EXPECT_EQ(right.drops(Drop::in_selector), 3u);
}

TEST_F(EngineTest, ARefusedSaSaysWhy) {
  const SaSpec sa = tunnel_sa("a", Direction::inbound, "aes256gcm16");
  ASSERT_TRUE(right.engine->add(sa, bench.session("openssl", sa)));
  EXPECT_THAT(right.engine->add(sa, bench.session("openssl", sa)).error().message,
              testing::HasSubstr("an SA named 'a' already"));
  SaSpec same_spi = sa;
  same_spi.name = "b";
  EXPECT_THAT(right.engine->add(same_spi, bench.session("openssl", sa)).error().message,
              testing::HasSubstr("SPI 0x1001"));
  SaSpec low = sa;
  low.name = "c";
  low.spi = 255;
  EXPECT_FALSE(right.engine->add(low, bench.session("openssl", sa)));
  EXPECT_EQ(right.engine->remove("z").error().code, ErrorCode::not_found);
}

TEST_F(EngineTest, ADeletedSaCarriesNothing) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  const auto wire = sealed();
  ASSERT_TRUE(right.engine->remove("a/in"));
  EXPECT_TRUE(opened(wire).empty());
  EXPECT_EQ(right.drops(Drop::in_no_state), 1u);
  ASSERT_TRUE(left.engine->remove("a"));
  ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  EXPECT_TRUE(sealed().empty());
}

TEST_F(EngineTest, SeveralWorkersHandPacketsToTheOwnerOfTheSa) {
  Gate sender(3), receiver(3);
  std::vector<SaSpec> sas;
  for (std::uint32_t i = 0; i < 6; ++i) {
    SaSpec out =
        tunnel_sa("sa" + std::to_string(i), Direction::outbound, "aes256gcm16", 0x1000 + i);
    const std::string net = "10.2." + std::to_string(i) + ".0/24";
    out.selectors = {{IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse(net).value()}};
    SaSpec in = out;
    in.direction = Direction::inbound;
    ASSERT_TRUE(sender.engine->add(out, bench.session("openssl", out)));
    ASSERT_TRUE(receiver.engine->add(in, bench.session("openssl", in)));
  }
  for (std::uint32_t i = 0; i < 60; ++i) {
    const std::string to = "10.2." + std::to_string(i % 6) + ".1";
    ASSERT_TRUE(send(*sender.clear[i % 5 % 3], udp_packet("10.1.0.1", to, 30)));
  }
  sender.turn(3);
  std::size_t got = 0, on_wire = 0;
  for (auto& wire : sender.wire) {
    for (const Bytes& packet : receive_all(*wire)) {
      ASSERT_TRUE(send(*receiver.wire[on_wire++ % 3], packet));  // any worker may receive it
    }
  }
  EXPECT_EQ(on_wire, 60u);
  receiver.turn(3);
  for (auto& clear : receiver.clear) got += receive_all(*clear).size();
  EXPECT_EQ(got, 60u);
  EXPECT_EQ(receiver.all_drops(), 0u);
}

// A worker whose packets are for SAs of another one, which is slow.
class SlowerWorker : public EngineTest {
 protected:
  static constexpr int kSent = 2000;
  SlowerWorker() {
    const SaSpec sa = tunnel_sa("sa", Direction::outbound, "aes256gcm16", 0x1001);  // worker 1's
    EXPECT_TRUE(gate.engine->add(sa, bench.session("openssl", sa)));
    gate.turn();
    for (int i = 0; i < kSent; ++i)
      EXPECT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 1300)));
  }
  void turn_the_first(int times) {
    for (int i = 0; i < times; ++i) gate.engine->turn(0);
  }
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  Gate gate{2, EngineOptions{.clock = [this] { return now; }}};
};

TEST_F(SlowerWorker, IsGivenNoMoreThanItKeepsUpWith) {
  turn_the_first(100);
  EXPECT_EQ(gate.all_drops(), 0u) << "the rest waits where it comes from";
  std::size_t carried = 0;
  for (int i = 0; i < kSent && carried < kSent; ++i) {
    gate.turn();
    carried += receive_all(*gate.wire[1]).size();
  }
  EXPECT_EQ(carried, std::size_t{kSent});
  EXPECT_EQ(gate.all_drops(), 0u);
}

TEST_F(SlowerWorker, IsNotWaitedForIfItHangs) {
  turn_the_first(100);
  now += std::chrono::milliseconds(101);
  turn_the_first(100);
  EXPECT_GT(gate.drops(Drop::queue_full), 0u) << "other SAs' packets wait behind these";
}

TEST_F(EngineTest, DropsAreThoseOfAllWorkers) {
  Gate gate(3);
  for (std::size_t worker = 0; worker < 3; ++worker)
    for (std::size_t i = 0; i <= worker; ++i)
      ASSERT_TRUE(send(*gate.clear[worker], Bytes{1, 2, 3}));
  gate.turn();
  EXPECT_EQ(gate.drops(Drop::out_not_ip), 6u);
}

TEST_F(EngineTest, BytesAreThoseOfInnerPacketsInBothDirections) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  const Bytes packet = udp_packet("10.1.0.1", "10.2.0.1", 21);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(send(*left.clear[0], packet));
  ASSERT_EQ(opened(sealed()).size(), 3u);
  EXPECT_EQ(left.status("a").bytes, 3 * packet.size());
  EXPECT_EQ(right.status("a/in").bytes, 3 * packet.size());
}

TEST_F(EngineTest, RunsInThreadsOfItsOwnAndStopsCleanly) {
  join(tunnel_sa("a", Direction::outbound, "aes256gcm16"));
  left.engine->start();
  std::size_t got = 0;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(send(*left.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 100)));
  }
  for (int i = 0; i < 10'000 && got < 500; ++i) {
    got += receive_all(*left.wire[0]).size();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  left.engine->stop();
  EXPECT_EQ(got, 500u);
}

}  // namespace
}  // namespace espalier::esp
