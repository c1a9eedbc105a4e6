// SPDX-License-Identifier: Apache-2.0
#include "esp/inner_packet.hpp"

#include "unit/esp/packets.hpp"

#include <gtest/gtest.h>

#include <random>

namespace espalier::esp {
namespace {

using test::Bytes;

TEST(InnerPacket, ReadsTheFlowOfUdpOverIpv4) {
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.2", 40, 1234, 53);
  const auto inner = parse_inner(packet);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->length, packet.size());
  EXPECT_EQ(inner->flow.family(), Family::ipv4);
  EXPECT_EQ(inner->flow.protocol(), 17);
  EXPECT_EQ(inner->flow.source_port(), 1234);
  EXPECT_EQ(inner->flow.destination_port(), 53);
  EXPECT_EQ(inner->flow.destination[0] >> 24 & 0xff, 2u);
}

TEST(InnerPacket, ReadsTheFlowOfUdpOverIpv6) {
  const Bytes packet = test::udp_packet("fd00::1", "fd00::2", 40, 1234, 53);
  const auto inner = parse_inner(packet);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->flow.family(), Family::ipv6);
  EXPECT_EQ(inner->flow.protocol(), 17);
  EXPECT_EQ(inner->flow.destination_port(), 53);
}

TEST(InnerPacket, WalksIpv6ExtensionHeaders) {
  Bytes packet = test::udp_packet("fd00::1", "fd00::2", 40, 1234, 53);
  const Bytes options{17, 0, 1, 4, 0, 0, 0, 0};  // next: UDP
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet[6] = 60;  // destination options
  packet[5] = static_cast<std::uint8_t>(packet[5] + 8);
  const auto inner = parse_inner(packet);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->flow.protocol(), 17);
  EXPECT_EQ(inner->flow.source_port(), 1234);
}

TEST(InnerPacket, LaterFragmentsHaveNoPorts) {
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.2", 40, 1234, 53);
  packet[7] = 5;  // fragment offset
  const auto inner = parse_inner(packet);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->flow.source_port(), 0);
  EXPECT_EQ(inner->flow.destination_port(), 0);
}

TEST(InnerPacket, WhatFollowsThePacketIsNotPartOfIt) {
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.2", 40);
  const std::size_t length = packet.size();
  packet.resize(length + 33);
  EXPECT_EQ(parse_inner(packet)->length, length);
}

TEST(InnerPacket, EveryTruncationIsRefused) {
  for (const Bytes& packet : {test::udp_packet("10.1.0.1", "10.2.0.2", 40),
                              test::udp_packet("fd00::1", "fd00::2", 40)}) {
    for (std::size_t n = 0; n < packet.size(); ++n) {
      EXPECT_FALSE(parse_inner(std::span(packet).first(n))) << n;
    }
  }
}

TEST(InnerPacket, OtherVersionsAreRefused) {
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.2", 40);
  for (int version = 0; version < 16; ++version) {
    if (version == 6) continue;
    packet[0] = static_cast<std::uint8_t>(version << 4 | 5);
    EXPECT_EQ(parse_inner(packet).has_value(), version == 4) << version;
  }
}

TEST(InnerPacket, RandomBytesNeverReadPastTheEnd) {
  std::mt19937 random(5);
  for (int i = 0; i < 200'000; ++i) {
    Bytes packet(random() % 120);
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(random());
    if (!packet.empty()) packet[0] = random() % 2 == 0 ? 0x45 : 0x60;
    if (packet.size() > 6 && random() % 2 == 0) {
      packet[2] = packet[4] = 0;
      packet[3] = packet[5] = static_cast<std::uint8_t>(packet.size() % 100);
      packet[6] = static_cast<std::uint8_t>(random() % 64);
    }
    const auto inner = parse_inner(packet);  // the sanitizer is the judge
    if (inner) {
      EXPECT_LE(inner->length, packet.size());
    }
  }
}

}  // namespace
}  // namespace espalier::esp
