// SPDX-License-Identifier: Apache-2.0
#include <place/ledger.hpp>

#include <gtest/gtest.h>

namespace espalier {
namespace {

const DeviceName kCard{"nic", "card0"};
const DeviceName kOther{"nic", "card1"};
constexpr auto kOut = Direction::outbound;
constexpr auto kIn = Direction::inbound;

TEST(Ledger, CountsEachDirectionOfEachDevice) {
  Ledger ledger;
  ledger.add({kCard, kOut});
  ledger.add({kCard, kOut});
  ledger.add({kCard, kIn});
  ledger.add({kOther, kIn});
  EXPECT_EQ(ledger.on_device(kCard, 1), 2u);
  EXPECT_EQ(ledger.on_device(kCard, 2), 1u);
  EXPECT_EQ(ledger.on_device(kCard), 3u);
  EXPECT_EQ(ledger.on_backend("nic"), 4u);
  EXPECT_EQ(ledger.on_backend("openssl"), 0u);
}

TEST(Ledger, FreesTheRoomThatAnSaLeaves) {
  Ledger ledger;
  ledger.add({kOther, kIn});
  ledger.add({kOther, kOut});
  EXPECT_TRUE(ledger.remove({kOther, kIn}));
  EXPECT_EQ(ledger.on_device(kOther, 2), 0u);
  EXPECT_EQ(ledger.on_device(kOther), 1u);
  EXPECT_EQ(ledger.on_backend("nic"), 1u);
}

TEST(Ledger, StrikesOutNoSaThatIsNotThere) {
  Ledger ledger;
  ledger.add({kCard, kOut});
  EXPECT_FALSE(ledger.remove({kOther, kOut})) << "another device";
  EXPECT_FALSE(ledger.remove({kCard, kIn})) << "another direction";
  EXPECT_TRUE(ledger.remove({kCard, kOut}));
  EXPECT_FALSE(ledger.remove({kCard, kOut})) << "twice";
  EXPECT_EQ(ledger.on_backend("nic"), 0u);
}

}  // namespace
}  // namespace espalier
