// SPDX-License-Identifier: Apache-2.0
#include "io/memory_port.hpp"

#include "unit/io/packets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace espalier {
namespace {

using test::Packets;

std::vector<int> pass_numbers(const MemoryLink& link, int count) {
  const auto [near, far] = make_memory_ports(link);
  Packets one(1), in(64);
  for (int i = 0; i < count; ++i) {
    one.put(0, std::to_string(i));
    near->send(one.all());
  }
  std::vector<int> numbers;
  while (const std::size_t got = far->receive(in.all()))
    for (std::size_t i = 0; i < got; ++i) numbers.push_back(std::stoi(in.text(i)));
  return numbers;
}

TEST(MemoryPort, CarriesPacketsInOrderBothWaysWithEndpointsSwapped) {
  MemoryLink link;
  link.first.port = 1;
  link.second.port = 2;
  const auto [near, far] = make_memory_ports(link);
  Packets out(2), in(4);
  out.put(0, "one").wire.tos = 7;
  out.put(1, "two");
  ASSERT_EQ(near->send(out.all()), 2u);
  ASSERT_EQ(far->receive(in.all()), 2u);
  EXPECT_EQ(in.text(0), "one");
  EXPECT_EQ(in.text(1), "two");
  EXPECT_EQ(in[0].wire.tos, 7);
  EXPECT_EQ(in[0].wire.peer.port, 1);
  EXPECT_EQ(in[0].wire.local.port, 2);
  EXPECT_EQ(near->receive(in.all()), 0u);
  ASSERT_EQ(far->send(out.first(1)), 1u);
  ASSERT_EQ(near->receive(in.all()), 1u);
  EXPECT_EQ(in[0].wire.peer.port, 2);
}

TEST(MemoryPort, IsReadableExactlyWhileSomethingIsQueued) {
  const auto [near, far] = make_memory_ports();
  Packets out(2), in(1);
  EXPECT_FALSE(test::readable(*far, 0));
  out.put(0, "a");
  out.put(1, "b");
  near->send(out.all());
  EXPECT_TRUE(test::readable(*far, 0));
  far->receive(in.all());
  EXPECT_TRUE(test::readable(*far, 0));
  far->receive(in.all());
  EXPECT_FALSE(test::readable(*far, 0));
}

TEST(MemoryPort, DoesNotSendWhatExceedsItsCapacity) {
  MemoryLink link;
  link.capacity = 3;
  const auto [near, far] = make_memory_ports(link);
  Packets out(5);
  for (std::size_t i = 0; i < 5; ++i) out.put(i, "x");
  EXPECT_EQ(near->send(out.all()), 3u);
}

TEST(MemoryPort, LosesDuplicatesAndReordersAsSeeded) {
  MemoryLink link{.first = {}, .second = {}, .capacity = 10000, .seed = 7};
  link.loss = 100;
  link.duplicate = 100;
  link.reorder = 100;
  const auto numbers = pass_numbers(link, 2000);
  EXPECT_EQ(numbers, pass_numbers(link, 2000)) << "the same seed, the same outcome";
  const std::set<int> distinct(numbers.begin(), numbers.end());
  EXPECT_NEAR(double(distinct.size()), 1800, 100) << "about 10 % are lost";
  EXPECT_NEAR(double(numbers.size() - distinct.size()), 180, 60) << "about 10 % come twice";
  EXPECT_FALSE(std::ranges::is_sorted(numbers)) << "some are overtaken";
  link.seed = 8;
  EXPECT_NE(numbers, pass_numbers(link, 2000));
}

TEST(MemoryPort, WithoutImpairmentsLosesNothing) {
  std::vector<int> expected(1000);
  for (int i = 0; i < 1000; ++i) expected[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(pass_numbers({}, 1000), expected);
}

}  // namespace
}  // namespace espalier
