// SPDX-License-Identifier: Apache-2.0
#include "io/coalescing.hpp"

#include "io/segmentation.hpp"

#include "unit/io/ip_packets.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace espalier::io {
namespace {

using test::Bytes;
using test::IpPacket;

constexpr std::uint8_t kAck = 0x10, kPsh = 0x08, kFin = 0x01, kSyn = 0x02, kRst = 0x04, kUrg = 0x20,
                       kEce = 0x40, kCwr = 0x80;

// A packet and the one that follows it in its flow.
struct Pair {
  IpPacket first;
  IpPacket next;
};

Pair following(bool v4, bool tcp) {
  Pair pair{{.v4 = v4, .tcp = tcp, .payload = std::string(100, 'a')}, {}};
  if (tcp) pair.first.options = "\1\1\x08\x0a_time_st";
  pair.next = pair.first;
  pair.next.payload = std::string(100, 'b');
  pair.next.sequence += 100;
  pair.next.id++;
  return pair;
}

std::size_t joinable(const std::vector<Bytes>& packets, bool udp = true) {
  return count_joinable(test::burst_of(packets).all(), udp);
}

bool joins(const IpPacket& first, const IpPacket& next, bool udp = true) {
  return joinable({test::bytes_of(first), test::bytes_of(next)}, udp) == 2;
}

// All that the kernel is given for these packets: what it would cut again.
std::vector<Bytes> through_the_kernel(std::vector<Bytes> packets, std::size_t& writes) {
  std::vector<Bytes> seen;
  test::Packets burst = test::burst_of(packets);
  auto left = burst.all();
  writes = 0;
  while (!left.empty()) {
    const auto run = left.first(count_joinable(left, true));
    left = left.subspan(run.size());
    ++writes;
    const VirtioHeader header = join(run);
    Bytes large;
    for (std::size_t i = 0; i < run.size(); ++i) {
      const Bytes one = test::bytes_in(*run[i]);
      large.insert(large.end(), one.begin() + (i == 0 ? 0 : header.header_length), one.end());
    }
    Segmenter kernel;
    if (!kernel.take(header, large)) return {};
    while (!kernel.empty()) {
      Bytes out(70000);
      out.resize(kernel.write_next(out));
      seen.push_back(out);
    }
  }
  return seen;
}

class Coalescing : public testing::TestWithParam<std::pair<bool, bool>> {
 protected:
  Pair pair = following(GetParam().first, GetParam().second);
  bool v4() const { return GetParam().first; }
  bool tcp() const { return GetParam().second; }
};

TEST_P(Coalescing, JoinsWhatFollowsInAFlow) { EXPECT_TRUE(joins(pair.first, pair.next)); }

TEST_P(Coalescing, MakesOnePacketThatTheKernelCutsIntoTheSameAgain) {
  std::vector<Bytes> packets;
  IpPacket packet = pair.first;
  for (int i = 0; i < 10; ++i) {
    packet.payload = std::string(i == 9 ? 33 : 100, static_cast<char>('a' + i));
    if (i == 9) packet.flags = kAck | kPsh | kFin;
    packets.push_back(test::bytes_of(packet));
    packet.sequence += 100;
    packet.id++;
  }
  std::size_t writes = 0;
  EXPECT_EQ(through_the_kernel(packets, writes), packets);
  EXPECT_EQ(writes, 1u);
}

TEST_P(Coalescing, LeavesAlonePacketsWithWrongChecksums) {
  const Bytes first = test::bytes_of(pair.first), next = test::bytes_of(pair.next);
  for (std::size_t at = 0; at < first.size(); ++at) {
    Bytes damaged_first = first, damaged_next = next;
    damaged_first[at] ^= 0x20;
    damaged_next[at] ^= 0x20;
    const bool covered = v4() || at >= 40 || (at > 7 && at < 40);
    if (!covered) continue;  // no checksum protects these fields of IPv6
    EXPECT_EQ(joinable({damaged_first, next}), 1u) << "byte " << at << " of the first";
    EXPECT_EQ(joinable({first, damaged_next}), 1u) << "byte " << at << " of the next";
    const std::vector<Bytes> packets = {first, damaged_next, next};
    std::size_t writes = 0;
    EXPECT_EQ(through_the_kernel(packets, writes), packets) << "must stay as wrong as it was";
  }
}

TEST_P(Coalescing, LeavesAloneWhatDiffersInAnyFieldThatIsKeptOnce) {
  const auto alone = [this](const std::function<void(IpPacket&)>& change) {
    Pair changed = pair;
    change(changed.next);
    return !joins(changed.first, changed.next);
  };
  EXPECT_TRUE(alone([](IpPacket& p) { p.tos = 3; })) << "congestion was experienced";
  EXPECT_TRUE(alone([](IpPacket& p) { p.ttl--; }));
  EXPECT_TRUE(alone([](IpPacket& p) { p.source++; }));
  EXPECT_TRUE(alone([](IpPacket& p) { p.source_port++; }));
  EXPECT_TRUE(alone([](IpPacket& p) { p.payload += 'x'; })) << "longer than the first";
  EXPECT_TRUE(alone([](IpPacket& p) { p.payload.clear(); })) << "nothing to join";
  EXPECT_TRUE(alone([this](IpPacket& p) { p.v4 = !v4(); })) << "the other IP version";
  EXPECT_TRUE(alone([this](IpPacket& p) {
    p.tcp = !tcp();
    p.options.clear();
  })) << "the other protocol";
  if (v4()) {
    EXPECT_TRUE(alone([](IpPacket& p) { p.fragment = 0; })) << "DF";
    EXPECT_TRUE(alone([](IpPacket& p) { p.fragment = 0x2000; })) << "a fragment";
    EXPECT_TRUE(alone([](IpPacket& p) { p.fragment = 0x0010; })) << "a later fragment";
    EXPECT_TRUE(alone([](IpPacket& p) { p.id++; })) << "one is missing";
  }
  if (!tcp()) return;
  EXPECT_TRUE(alone([](IpPacket& p) { p.sequence++; })) << "a byte is missing";
  EXPECT_TRUE(alone([](IpPacket& p) { p.sequence -= 100; })) << "sent again";
  EXPECT_TRUE(alone([](IpPacket& p) { p.acknowledgement++; }));
  EXPECT_TRUE(alone([](IpPacket& p) { p.window++; }));
  EXPECT_TRUE(alone([](IpPacket& p) { p.urgent++; })) << "even where URG is not set";
  EXPECT_TRUE(alone([](IpPacket& p) { p.options[11] = 'T'; })) << "another time stamp";
  EXPECT_TRUE(alone([](IpPacket& p) { p.options += "\1\1\1\1"; }));
  for (const std::uint8_t flag : {kSyn, kRst, kUrg, kEce, kCwr})
    EXPECT_TRUE(alone([=](IpPacket& p) { p.flags |= flag; })) << "flag " << int{flag};
  EXPECT_TRUE(alone([](IpPacket& p) { p.flags = 0; })) << "no ACK";
}

TEST_P(Coalescing, EndsARunWithAShorterPacket) {
  pair.next.payload.resize(99);
  IpPacket third = pair.next;
  third.sequence += 99;
  third.id++;
  const std::vector packets = {test::bytes_of(pair.first), test::bytes_of(pair.next),
                               test::bytes_of(third)};
  EXPECT_EQ(joinable(packets), 2u);
  std::size_t writes = 0;
  EXPECT_EQ(through_the_kernel(packets, writes), packets);
}

TEST_P(Coalescing, StopsAtWhatIpCanSayAndAtWhatTheKernelTakes) {
  for (const auto& [payload, expected] : {std::pair{1400u, 46u}, std::pair{10u, 64u}}) {
    std::vector<Bytes> packets;
    IpPacket packet = pair.first;
    packet.payload = std::string(payload, 'l');
    for (int i = 0; i < 100; ++i) {
      packets.push_back(test::bytes_of(packet));
      packet.sequence += payload;
      packet.id++;
    }
    EXPECT_EQ(joinable(packets), expected);
    std::size_t writes = 0;
    EXPECT_EQ(through_the_kernel(packets, writes), packets);
  }
}

TEST_P(Coalescing, NeverReadsBeyondACutPacket) {
  const Bytes whole = test::bytes_of(pair.next);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(length));
    EXPECT_EQ(joinable({cut, whole}), 1u);
    EXPECT_EQ(joinable({test::bytes_of(pair.first), cut}), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Coalescing,
                         testing::Values(std::pair{true, true}, std::pair{false, true},
                                         std::pair{true, false}, std::pair{false, false}),
                         [](const auto& tested) {
                           return std::string(tested.param.second ? "Tcp" : "Udp") +
                                  (tested.param.first ? "4" : "6");
                         });

TEST(CoalescingTcp, EndsARunWithPshOrFin) {
  for (const std::uint8_t flag : {kPsh, kFin}) {
    Pair pair = following(true, true);
    pair.next.flags |= flag;
    IpPacket third = pair.next;
    third.sequence += 100;
    third.id++;
    EXPECT_EQ(
        joinable({test::bytes_of(pair.first), test::bytes_of(pair.next), test::bytes_of(third)}),
        2u);
    pair = following(true, true);
    pair.first.flags |= flag;
    EXPECT_FALSE(joins(pair.first, pair.next)) << "what has it is the last";
  }
}

TEST(CoalescingTcp, TellsTheKernelOfCwrWhichIsTheFirstsAlone) {
  Pair pair = following(true, true);
  pair.first.flags |= kCwr;
  const std::vector packets = {test::bytes_of(pair.first), test::bytes_of(pair.next)};
  ASSERT_EQ(joinable(packets), 2u);
  const auto burst = test::burst_of(packets);
  EXPECT_EQ(join(burst.all()).gso_type, VirtioHeader::kGsoTcp4 | VirtioHeader::kGsoEcn);
  std::size_t writes = 0;
  EXPECT_EQ(through_the_kernel(packets, writes), packets);
}

TEST(CoalescingTcp, NeverTouchesIpOptionsOrExtensionHeaders) {
  for (const bool v4 : {true, false}) {
    const Pair pair = following(v4, true);
    Bytes first = test::bytes_of(pair.first), next = test::bytes_of(pair.next);
    const Bytes extra = v4 ? Bytes{0x94, 4, 0, 0} : Bytes{6, 0, 1, 4, 0, 0, 0, 0};
    for (Bytes* packet : {&first, &next}) {
      packet->insert(packet->begin() + (v4 ? 20 : 40), extra.begin(), extra.end());
      if (v4)
        (*packet)[0] = 0x46;
      else
        (*packet)[6] = 60;
      test::put16(*packet, v4 ? 2 : 4, static_cast<std::uint32_t>(packet->size() - (v4 ? 0 : 40)));
    }
    EXPECT_EQ(joinable({first, next}), 1u);
  }
}

TEST(CoalescingIpv4, TakesAnIdentificationThatStandsStillWhereItMeansNothing) {
  Pair pair = following(true, true);
  pair.next.id = pair.first.id;
  EXPECT_TRUE(joins(pair.first, pair.next)) << "DF is set: RFC 6864 4.1";
  pair.first.fragment = pair.next.fragment = 0;
  EXPECT_FALSE(joins(pair.first, pair.next));
}

TEST(CoalescingUdp, IsDoneOnlyWhereTheKernelTakesIt) {
  const Pair pair = following(true, false);
  EXPECT_FALSE(joins(pair.first, pair.next, false));
}

TEST(CoalescingUdp, LeavesAloneWhatHasNoChecksum) {
  const Pair pair = following(true, false);
  Bytes first = test::bytes_of(pair.first), next = test::bytes_of(pair.next);
  test::put16(next, 26, 0);
  EXPECT_EQ(joinable({first, next}), 1u);
  EXPECT_EQ(joinable({next, first}), 1u);
}

// Random flows, mixed, damaged and cut short: whatever is joined, the kernel sees the same packets
// in the same order.
TEST(CoalescingProperty, ChangesNothingThatTheKernelSees) {
  std::mt19937 random(23);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  std::size_t packets_seen = 0, writes_made = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<IpPacket> flows;
    for (int i = 0; i < 3; ++i) {
      IpPacket flow{.v4 = below(2) == 0, .tcp = below(3) > 0, .source = static_cast<uint8_t>(i)};
      flow.fragment = below(2) == 0 ? 0x4000 : 0;
      flow.sequence = static_cast<std::uint32_t>(random());
      if (flow.tcp) flow.options = std::string(4 * below(4), '\1');
      flows.push_back(flow);
    }
    std::vector<Bytes> packets;
    std::size_t at = 0;
    for (int i = 0; i < 40; ++i) {
      if (below(6) == 0) at = below(3);
      IpPacket& flow = flows[at];
      flow.payload = std::string(below(5) == 0 ? below(200) : 150, static_cast<char>(random()));
      IpPacket one = flow;
      if (below(10) == 0) one.flags |= static_cast<std::uint8_t>(1u << below(8));
      if (below(20) == 0) one.window++;
      Bytes bytes = test::bytes_of(one);
      if (below(15) == 0) bytes[below(static_cast<std::uint32_t>(bytes.size()))] ^= 1;
      packets.push_back(bytes);
      flow.sequence += static_cast<std::uint32_t>(flow.payload.size());
      flow.id++;
    }
    std::size_t writes = 0;
    ASSERT_EQ(through_the_kernel(packets, writes), packets) << "round " << round;
    packets_seen += packets.size();
    writes_made += writes;
  }
  EXPECT_LT(writes_made * 3, packets_seen * 2) << "much of it can be joined";
}

}  // namespace
}  // namespace espalier::io
