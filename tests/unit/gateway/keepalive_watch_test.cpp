// SPDX-License-Identifier: Apache-2.0
#include "gateway/keepalive_watch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace espalier {
namespace {

using namespace std::chrono_literals;

// Looks every tick and gives when keepalives were sent, after the start; packets go at `packets`.
std::vector<std::chrono::milliseconds> keepalives(
    KeepaliveWatch watch, const std::vector<std::chrono::milliseconds>& packets,
    std::chrono::milliseconds end) {
  std::vector<std::chrono::milliseconds> sent;
  for (auto now = 0ms; now <= end; now += watch.tick()) {
    const auto sequence = std::ranges::count_if(packets, [&](auto at) { return at < now; });
    if (watch.due(static_cast<std::uint64_t>(sequence), KeepaliveWatch::Time(1h) + now))
      sent.push_back(now);
  }
  return sent;
}

TEST(KeepaliveWatch, LetsNoMoreThanItsTimeAndOneTickPassWithoutAPacket) {
  for (const auto limit : {1s, 2s, 20s, 3600s}) {
    const KeepaliveWatch watch(limit);
    EXPECT_LE(watch.tick(), 1s);
    // A packet at whatever moment: as shortly after a look, and between two keepalives.
    for (auto packet = 1ms; packet < 3 * limit; packet += limit / 7 + 1ms) {
      const auto sent = keepalives(watch, {packet}, 6 * limit);
      auto after = std::ranges::find_if(sent, [&](auto at) { return at > packet; });
      ASSERT_NE(after, sent.end()) << limit.count();
      EXPECT_LE(*after - packet, limit + watch.tick()) << limit.count() << " s";
      EXPECT_GE(*after - packet, limit) << "it was not needed";
      for (auto next = after; ++next != sent.end(); ++after)
        EXPECT_EQ(*next - *after, limit) << "without any packet at their rate";
    }
  }
}

TEST(KeepaliveWatch, SendsNoneBesideTraffic) {
  std::vector<std::chrono::milliseconds> packets;
  for (auto at = 1ms; at < 60s; at += 900ms) packets.push_back(at);
  EXPECT_EQ(keepalives(KeepaliveWatch(2s), packets, 60s), std::vector{0ms});
}

TEST(KeepaliveWatch, ARekeyIsNoPacket) {
  KeepaliveWatch watch(20s);
  const KeepaliveWatch::Time start(1h);
  EXPECT_TRUE(watch.due(7, start)) << "nobody knows what was before";
  EXPECT_FALSE(watch.due(8, start + 1s));
  EXPECT_FALSE(watch.due(0, start + 20s)) << "a new SA has sent nothing yet";
  EXPECT_TRUE(watch.due(0, start + 21s));
}

}  // namespace
}  // namespace espalier
