// SPDX-License-Identifier: Apache-2.0
#include "io/segmentation.hpp"

#include "unit/io/ip_packets.hpp"

#include <gtest/gtest.h>

#include <random>

namespace espalier::io {
namespace {

using test::Bytes;
using test::IpPacket;

constexpr std::uint8_t kAck = 0x10, kPsh = 0x08, kFin = 0x01, kCwr = 0x80;

struct Large {
  VirtioHeader header;
  Bytes bytes;
};

// The packet as the kernel hands it over: to be cut into payloads of `size`, its checksum holding
// the sum of the pseudo-header alone.
Large large(const IpPacket& packet, std::size_t size) {
  Large made{{.flags = VirtioHeader::kNeedsChecksum,
              .gso_type = VirtioHeader::kGsoUdp,
              .header_length = static_cast<std::uint16_t>(packet.headers()),
              .gso_size = static_cast<std::uint16_t>(size),
              .checksum_start = static_cast<std::uint16_t>(packet.ip_header()),
              .checksum_offset = 6},
             test::bytes_of(packet)};
  if (packet.tcp) {
    made.header.gso_type = packet.v4 ? VirtioHeader::kGsoTcp4 : VirtioHeader::kGsoTcp6;
    if ((packet.flags & kCwr) != 0) made.header.gso_type |= VirtioHeader::kGsoEcn;
    made.header.checksum_offset = 16;
  }
  test::put16(made.bytes, packet.ip_header() + made.header.checksum_offset,
              test::slow_pseudo_sum(made.bytes, packet.v4));
  return made;
}

std::vector<Bytes> cut(Large packet) {
  std::vector<Bytes> segments;
  Segmenter segmenter;
  if (!segmenter.take(packet.header, packet.bytes)) return segments;
  while (!segmenter.empty()) {
    Bytes out(70000);
    out.resize(segmenter.write_next(out));
    segments.push_back(out);
  }
  return segments;
}

// What a machine would have sent itself, segment by segment.
std::vector<Bytes> naive_cut(const IpPacket& packet, std::size_t size) {
  std::vector<Bytes> segments;
  for (std::size_t at = 0; at < packet.payload.size(); at += size) {
    IpPacket one = packet;
    one.payload = packet.payload.substr(at, size);
    one.id = static_cast<std::uint16_t>(packet.id + at / size);
    one.sequence += static_cast<std::uint32_t>(at);
    const bool last = at + size >= packet.payload.size();
    if (!last) one.flags = static_cast<std::uint8_t>(one.flags & ~(kFin | kPsh));
    if (at > 0) one.flags = static_cast<std::uint8_t>(one.flags & ~kCwr);
    segments.push_back(test::bytes_of(one));
  }
  return segments;
}

TEST(Segmentation, CutsTcpIntoWhatTheSenderWouldHaveSent) {
  IpPacket packet{.flags = kAck | kPsh | kFin | kCwr, .payload = std::string(2500, 'x')};
  const auto segments = cut(large(packet, 1000));
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments, naive_cut(packet, 1000));
  EXPECT_EQ(segments[0][33], kAck | kCwr) << "CWR is the first's, FIN and PSH are the last's";
  EXPECT_EQ(segments[1][33], kAck);
  EXPECT_EQ(segments[2][33], kAck | kPsh | kFin);
  EXPECT_EQ(test::get32(segments[2], 24), 3000u);
  EXPECT_EQ(test::get16(segments[2], 4), 3u) << "IP identification";
  EXPECT_EQ(segments[2].size(), 540u);
}

TEST(Segmentation, CutsUdpIntoDatagrams) {
  IpPacket packet{.tcp = false, .payload = std::string(2000, 'y')};
  const auto segments = cut(large(packet, 1000));
  ASSERT_EQ(segments.size(), 2u) << "and no empty one when it comes out even";
  EXPECT_EQ(segments, naive_cut(packet, 1000));
  EXPECT_EQ(test::get16(segments[1], 24), 1008u) << "UDP length";
}

TEST(Segmentation, LetsSequenceAndIdentificationWrap) {
  IpPacket packet{.id = 0xffff, .sequence = 0xffffff00u, .payload = std::string(3000, 'z')};
  EXPECT_EQ(cut(large(packet, 1000)), naive_cut(packet, 1000));
}

TEST(Segmentation, IsTheNaiveOneForRandomPackets) {
  std::mt19937 random(11);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  for (int round = 0; round < 3000; ++round) {
    IpPacket packet{.v4 = below(2) == 0, .tcp = below(2) == 0};
    packet.tos = static_cast<std::uint8_t>(random());
    packet.id = static_cast<std::uint16_t>(random());
    packet.fragment = below(2) == 0 ? 0x4000 : 0;
    packet.sequence = static_cast<std::uint32_t>(random());
    packet.flags = static_cast<std::uint8_t>(kAck | (random() & (kPsh | kFin | kCwr | 0x40)));
    if (packet.tcp) packet.options = std::string(4 * below(11), '\1');
    packet.payload.resize(1 + below(below(8) == 0 ? 60000 : 4000));
    for (char& byte : packet.payload) byte = static_cast<char>(random());
    const std::size_t size = 1 + below(1400) + packet.payload.size() / 200;
    ASSERT_EQ(cut(large(packet, size)), naive_cut(packet, size))
        << "round " << round << ", " << packet.payload.size() << " by " << size;
  }
}

TEST(Segmentation, KeepsExtensionHeadersAndIpOptionsOfEverySegment) {
  // A destination options header between IPv6 and TCP; IPv4 with a router alert.
  for (const bool v4 : {false, true}) {
    const IpPacket packet{.v4 = v4, .payload = std::string(1500, 'e')};
    Large made = large(packet, 1000);
    const Bytes extra = v4 ? Bytes{0x94, 4, 0, 0} : Bytes{6, 0, 1, 4, 0, 0, 0, 0};
    made.bytes.insert(made.bytes.begin() + static_cast<long>(packet.ip_header()), extra.begin(),
                      extra.end());
    if (v4)
      made.bytes[0] = 0x46;
    else
      made.bytes[6] = 60;
    made.header.checksum_start = static_cast<std::uint16_t>(packet.ip_header() + extra.size());
    const auto expected = naive_cut(packet, 1000);
    const auto segments = cut(made);
    ASSERT_EQ(segments.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
      const auto transport = static_cast<long>(packet.ip_header());
      const auto moved = transport + static_cast<long>(extra.size());
      EXPECT_EQ(Bytes(segments[i].begin() + moved, segments[i].end()),
                Bytes(expected[i].begin() + transport, expected[i].end()));
      EXPECT_EQ(Bytes(segments[i].begin() + transport, segments[i].begin() + moved), extra);
      EXPECT_EQ(test::get16(segments[i], v4 ? 2 : 4), segments[i].size() - (v4 ? 0 : 40));
      if (v4) {
        EXPECT_EQ(test::slow_sum(segments[i], 0, 24), 0xffffu) << "IP header checksum";
      }
    }
  }
}

TEST(Segmentation, FinishesAPartialChecksumInPlace) {
  for (const bool tcp : {true, false}) {
    const IpPacket packet{.tcp = tcp, .payload = "odd"};
    Large made = large(packet, 0);
    made.header.gso_type = VirtioHeader::kGsoNone;
    EXPECT_EQ(cut(made), std::vector<Bytes>{test::bytes_of(packet)});
  }
}

TEST(Segmentation, WritesAUdpChecksumThatComesOutAsZeroAsOnes) {
  IpPacket packet{.tcp = false, .payload = std::string(2, '\0')};
  const Bytes plain = test::bytes_of(packet);
  const std::uint32_t checksum = test::get16(plain, 26);
  packet.payload = {static_cast<char>(checksum >> 8), static_cast<char>(checksum & 0xff)};
  Large made = large(packet, 0);
  made.header.gso_type = VirtioHeader::kGsoNone;
  const auto whole = cut(made);
  EXPECT_EQ(test::get16(whole.at(0), 26), 0xffffu) << "0 would mean that there is none";
  packet.payload += packet.payload;
  const auto segments = cut(large(packet, 2));
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(test::get16(segments[0], 26), 0xffffu);
}

TEST(Segmentation, LeavesAnyOtherPacketAsItIs) {
  const Bytes odd = {0x45, 1, 2, 3, 4};
  EXPECT_EQ(cut({VirtioHeader{}, odd}), std::vector<Bytes>{odd});
}

TEST(Segmentation, RefusesAPacketThatContradictsItsHeader) {
  const IpPacket packet{.payload = std::string(100, 'x')};
  const Large good = large(packet, 10);
  ASSERT_EQ(cut(good).size(), 10u);
  const auto refused = [&](auto&& change) {
    Large bad = good;
    change(bad);
    return cut(bad).empty();
  };
  EXPECT_TRUE(refused([](Large& l) { l.bytes.clear(); }));
  EXPECT_TRUE(refused([](Large& l) { l.header.gso_size = 0; }));
  EXPECT_TRUE(refused([](Large& l) { l.header.flags = 0; })) << "no checksum to finish";
  EXPECT_TRUE(refused([](Large& l) { l.header.gso_type = VirtioHeader::kGsoTcp6; }));
  EXPECT_TRUE(refused([](Large& l) { l.header.gso_type = 3; })) << "UFO was not asked for";
  EXPECT_TRUE(refused([](Large& l) { l.header.checksum_start = 19; })) << "within the IP header";
  EXPECT_TRUE(refused([](Large& l) { l.header.checksum_start = 65535; }));
  EXPECT_TRUE(refused([](Large& l) { l.header.checksum_offset = 6; })) << "that is UDP's";
  EXPECT_TRUE(refused([](Large& l) { l.bytes[32] = 0x40; })) << "a TCP header of 16 bytes";
  EXPECT_TRUE(refused([](Large& l) { l.bytes.resize(39); })) << "half a TCP header";
  EXPECT_TRUE(refused([](Large& l) { l.bytes.resize(40); })) << "no payload";
  EXPECT_TRUE(refused([](Large& l) {
    l.header.gso_type = VirtioHeader::kGsoNone;
    l.header.checksum_start = 139;
  })) << "a checksum beyond the end";
}

TEST(Segmentation, LosesWhatIsTooLongForItsPlaceAndGoesOn) {
  Large made = large({.payload = std::string(1500, 'x')}, 1000);
  Segmenter segmenter;
  ASSERT_TRUE(segmenter.take(made.header, made.bytes));
  Bytes out(600);
  EXPECT_EQ(segmenter.write_next(out), 0u);
  EXPECT_EQ(segmenter.write_next(out), 540u);
  EXPECT_TRUE(segmenter.empty());
}

}  // namespace
}  // namespace espalier::io
