// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <load/mailbox.hpp>

namespace espalier::load {
namespace {

std::vector<int> kinds(const std::vector<DeviceEvent>& events) {
  std::vector<int> kinds;
  for (const auto& event : events) kinds.push_back(event.event);
  return kinds;
}

TEST(Mailbox, KeepsTheOrderOfEvents) {
  Mailbox mailbox;
  mailbox.post({"a", 1, ESPALIER_EVENT_DEVICE_LOST});
  mailbox.post({"a", 1, ESPALIER_EVENT_DEVICE_ADDED});
  mailbox.post({"a", 1, ESPALIER_EVENT_DEVICE_LOST});
  EXPECT_THAT(kinds(mailbox.take()),
              ::testing::ElementsAre(ESPALIER_EVENT_DEVICE_LOST, ESPALIER_EVENT_DEVICE_ADDED,
                                     ESPALIER_EVENT_DEVICE_LOST));
}

TEST(Mailbox, DoesNotRepeatWhatIsWaiting) {
  Mailbox mailbox;
  for (int i = 0; i < 3; ++i) {
    mailbox.post({"a", 1, ESPALIER_EVENT_CAPACITY_FREED});
    mailbox.post({"a", 2, ESPALIER_EVENT_CAPACITY_FREED});
    mailbox.post({"b", 1, ESPALIER_EVENT_CAPACITY_FREED});
  }
  EXPECT_EQ(mailbox.take().size(), 3u);
}

TEST(Mailbox, DropsWhatDoesNotFitAndSaysSo) {
  Mailbox mailbox;
  for (std::size_t i = 0; i < Mailbox::kCapacity; ++i)
    ASSERT_TRUE(mailbox.post({"a", i, ESPALIER_EVENT_DEVICE_LOST}));
  EXPECT_FALSE(mailbox.post({"a", Mailbox::kCapacity, ESPALIER_EVENT_DEVICE_LOST}));
  EXPECT_EQ(mailbox.take().size(), Mailbox::kCapacity);
  EXPECT_TRUE(mailbox.post({"a", 0, ESPALIER_EVENT_DEVICE_LOST}));
}

}  // namespace
}  // namespace espalier::load
