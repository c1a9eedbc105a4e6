// SPDX-License-Identifier: Apache-2.0
#include <place/ledger.hpp>

#include <gtest/gtest.h>

#include <string>

namespace espalier {
namespace {

const DeviceName kCard{"nic", "card0"};
const DeviceName kOther{"nic", "card1"};
constexpr auto kOut = Direction::outbound;
constexpr auto kIn = Direction::inbound;

TEST(Ledger, CountsEachDirectionOfEachDevice) {
  Ledger ledger;
  ledger.add("a", {kCard, kOut});
  ledger.add("b", {kCard, kOut});
  ledger.add("c", {kCard, kIn});
  ledger.add("d", {kOther, kIn});
  EXPECT_EQ(ledger.on_device(kCard, 1), 2u);
  EXPECT_EQ(ledger.on_device(kCard, 2), 1u);
  EXPECT_EQ(ledger.on_device(kCard), 3u);
  EXPECT_EQ(ledger.on_backend("nic"), 4u);
  EXPECT_EQ(ledger.on_backend("openssl"), 0u);
}

TEST(Ledger, SaysWhereAnSaLived) {
  Ledger ledger;
  ledger.add("a", {kOther, kIn});
  const auto left = ledger.remove("a");
  ASSERT_TRUE(left.has_value());
  EXPECT_EQ(left->device, kOther);
  EXPECT_EQ(left->direction, kIn);
  EXPECT_EQ(ledger.on_device(kOther), 0u);
}

TEST(Ledger, CountsNoSaTwiceAndForgetsNoneTwice) {
  Ledger ledger;
  ledger.add("a", {kCard, kOut});
  ledger.add("a", {kOther, kOut});
  EXPECT_EQ(ledger.on_backend("nic"), 1u);
  EXPECT_TRUE(ledger.remove("a").has_value());
  EXPECT_FALSE(ledger.remove("a").has_value());
  EXPECT_EQ(ledger.on_backend("nic"), 0u);
  EXPECT_EQ(ledger.size(), 0u);
}

}  // namespace
}  // namespace espalier
