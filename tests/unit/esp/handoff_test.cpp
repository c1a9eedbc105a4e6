// SPDX-License-Identifier: Apache-2.0
#include "esp/handoff.hpp"

#include "unit/esp/two_gateways.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <thread>

namespace espalier::esp {
namespace {

using test::Bytes;
using test::OwnedPacket;

Bytes bytes_of(HandedOver& given) { return {given.data(), given.data() + given.length}; }

Bytes counting(std::size_t length, std::uint8_t first) {
  Bytes bytes(length);
  for (std::uint8_t& byte : bytes) byte = first++;
  return bytes;
}

TEST(HandoffRing, GivesWhatWasPutInOrderWithWhereItCameFrom) {
  HandoffRing ring;
  EXPECT_EQ(ring.front(), nullptr);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    OwnedPacket packet(counting(i * 100u, i));
    packet.packet.wire.tos = i;
    ASSERT_TRUE(ring.push(packet.packet, i == 2));
  }
  for (std::uint8_t i = 1; i <= 3; ++i) {
    HandedOver* given = ring.front();
    ASSERT_NE(given, nullptr);
    EXPECT_EQ(bytes_of(*given), counting(i * 100u, i));
    EXPECT_EQ(given->wire.tos, i);
    EXPECT_EQ(given->inbound, i == 2);
    ring.release();
  }
  EXPECT_EQ(ring.front(), nullptr);
}

TEST(HandoffRing, HoldsManyBurstsOfOrdinaryPackets) {
  HandoffRing ring;
  OwnedPacket packet(counting(1420, 0));
  int held = 0;
  while (ring.push(packet.packet, true)) ++held;
  EXPECT_GE(held, 8 * 64);
}

TEST(HandoffRing, AgreesWithAQueueOverRandomLengthsAndTurns) {
  HandoffRing ring;
  std::deque<Bytes> model;
  std::mt19937 random(7);
  OwnedPacket packet;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t length = random() % 8 == 0 ? random() % (kMaxPacket + 1) : random() % 1500;
      const Bytes bytes = counting(length, static_cast<std::uint8_t>(step));
      std::ranges::copy(bytes, packet.packet.data());
      packet.packet.length = static_cast<std::uint32_t>(length);
      if (ring.push(packet.packet, false)) {
        model.push_back(bytes);
      } else {
        ASSERT_GE(model.size(), 8u) << "it refused with almost nothing in it";
      }
    } else if (HandedOver* given = ring.front()) {
      ASSERT_FALSE(model.empty());
      ASSERT_EQ(bytes_of(*given), model.front()) << "at step " << step;
      model.pop_front();
      ring.release();
    } else {
      ASSERT_TRUE(model.empty());
    }
  }
}

TEST(HandoffRing, CarriesEverythingFromOneThreadToAnother) {
  constexpr std::uint32_t kPackets = 50'000;
  HandoffRing ring;
  std::thread producer([&] {
    OwnedPacket packet;
    for (std::uint32_t i = 0; i < kPackets; ++i) {
      packet.packet.length = 4 + i % 1400;
      std::memcpy(packet.packet.data(), &i, sizeof i);
      while (!ring.push(packet.packet, true)) std::this_thread::yield();
    }
  });
  for (std::uint32_t i = 0; i < kPackets;) {
    HandedOver* given = ring.front();
    if (given == nullptr) {
      std::this_thread::yield();
      continue;
    }
    std::uint32_t number = 0;
    std::memcpy(&number, given->data(), sizeof number);
    EXPECT_EQ(number, i);
    EXPECT_EQ(given->length, 4 + i % 1400);
    ring.release();
    ++i;
  }
  producer.join();
}

}  // namespace
}  // namespace espalier::esp
