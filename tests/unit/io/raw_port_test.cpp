// SPDX-License-Identifier: Apache-2.0
#include <espalier/wire_port.hpp>

#include "unit/io/net_namespace.hpp"
#include "unit/io/packets.hpp"

#include <gtest/gtest.h>

namespace espalier {
namespace {

using test::esp_bytes;
using test::Packets;

Endpoint loopback(Family family) {
  Endpoint endpoint;
  endpoint.address.family = family;
  endpoint.address.bytes = {127, 0, 0, 1};
  if (family == Family::ipv6) {
    endpoint.address.bytes = {};
    endpoint.address.bytes[15] = 1;
  }
  return endpoint;
}

class RawPort : public testing::TestWithParam<Family> {};

TEST_P(RawPort, CarriesEspWithoutTheOuterHeader) {
  test::in_namespace([] {
    const Endpoint local = loopback(GetParam());
    auto opened = open_raw({.local = local});
    ASSERT_TRUE(opened) << opened.error().message;
    PacketPort& port = *opened->ports[0];  // sends to itself
    Packets out(2), in(8);
    for (std::uint32_t i = 0; i < 2; ++i) {
      out.put(i, esp_bytes(0x1000, i + 1, "payload"));
      out[i].wire.peer = local;
      out[i].wire.peer.port = 4500;  // means nothing here
      out[i].wire.tos = static_cast<std::uint8_t>(0xb8 + i);
      out[i].wire.dont_fragment = i == 0;
    }
    ASSERT_EQ(port.send(out.all()), 2u);
    ASSERT_EQ(test::receive(port, in), 2u);
    for (std::uint32_t i = 0; i < 2; ++i) {
      EXPECT_EQ(in.text(i), esp_bytes(0x1000, i + 1, "payload"));
      EXPECT_EQ(in[i].offset, kHeadroom);
      EXPECT_EQ(in[i].wire.peer, local);
      EXPECT_EQ(in[i].wire.tos, 0xb8 + i);
      const bool df = GetParam() == Family::ipv6 || i == 0;  // IPv6 has no such bit
      EXPECT_EQ(in[i].wire.dont_fragment, df);
    }
  });
}

TEST_P(RawPort, GivesEachPacketToTheWorkerThatOwnsTheSpiAlone) {
  test::in_namespace([] {
    constexpr std::uint32_t kWorkers = 3;
    const Endpoint local = loopback(GetParam());
    auto opened = open_raw({.local = local, .workers = kWorkers});
    ASSERT_TRUE(opened) << opened.error().message;
    Packets out(30), in(64);
    for (std::uint32_t i = 0; i < 30; ++i) {
      out.put(i, esp_bytes(0xfffffff0u - i * 7, i, ""));
      out[i].wire.peer = local;
    }
    ASSERT_EQ(opened->ports[0]->send(out.all()), 30u);
    std::size_t total = 0;
    for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
      const std::size_t got = test::receive(*opened->ports[worker], in);
      total += got;
      for (std::size_t i = 0; i < got; ++i) {
        const std::uint8_t* b = in[i].data();
        const std::uint32_t spi =
            std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
        EXPECT_EQ(worker_of(spi, kWorkers), worker);
      }
    }
    EXPECT_EQ(total, 30u) << "each packet must reach exactly one worker";
  });
}

TEST_P(RawPort, CountsAndDropsWhatIsTooShortToBeEsp) {
  test::in_namespace([] {
    const Endpoint local = loopback(GetParam());
    auto opened = open_raw({.local = local});
    ASSERT_TRUE(opened) << opened.error().message;
    Packets out(2), in(8);
    out.put(0, "1234567");
    out.put(1, esp_bytes(0x1000, 1, ""));
    for (std::size_t i = 0; i < 2; ++i) out[i].wire.peer = local;
    ASSERT_EQ(opened->ports[0]->send(out.all()), 2u);
    ASSERT_EQ(test::receive(*opened->ports[0], in), 1u);
    EXPECT_EQ(in.text(0), esp_bytes(0x1000, 1, ""));
    EXPECT_EQ(opened->counters->runts, 1u);
  });
}

INSTANTIATE_TEST_SUITE_P(Families, RawPort, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& tested) {
                           return tested.param == Family::ipv4 ? "Ipv4" : "Ipv6";
                         });

TEST(RawOpening, WithoutThePrivilegeSaysWhatToDo) {
  test::in_namespace([] {
    ASSERT_TRUE(test::drop_capabilities());
    const auto opened = open_raw({.local = loopback(Family::ipv4)});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::permission);
    EXPECT_NE(opened.error().message.find("CAP_NET_RAW"), std::string::npos);
  });
}

}  // namespace
}  // namespace espalier
