// SPDX-License-Identifier: Apache-2.0
#include "io/capture_frame.hpp"

#include "io/capture_port.hpp"
#include "unit/io/ip_packets.hpp"

#include <gtest/gtest.h>

#include <pcap/dlt.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>

namespace espalier::io {
namespace {

using test::Bytes;
using test::IpPacket;

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes found(int link, const Bytes& frame) {
  const auto packet = ip_packet_in(link, frame, static_cast<std::uint32_t>(frame.size()));
  return packet ? Bytes(packet->begin(), packet->end()) : Bytes{};
}

NoPacket refusal(int link, const Bytes& frame, std::size_t length) {
  const auto packet = ip_packet_in(link, frame, static_cast<std::uint32_t>(length));
  EXPECT_FALSE(packet);
  return packet ? NoPacket::too_long : packet.error();
}

TEST(CaptureFrame, GivesTheIpPacketOfEveryLinkTypeWithoutWhatFollows) {
  for (const bool v4 : {true, false}) {
    const Bytes ip = test::bytes_of({.v4 = v4, .payload = "hello"});
    const Bytes type = v4 ? Bytes{8, 0} : Bytes{0x86, 0xdd};
    const Bytes padding(9, 0xee);
    EXPECT_EQ(found(DLT_RAW, joined({ip, padding})), ip);
    EXPECT_EQ(found(DLT_EN10MB, joined({Bytes(12), type, ip, padding})), ip);
    EXPECT_EQ(found(DLT_EN10MB, joined({Bytes(12), {0x88, 0xa8, 0, 1, 0x81, 0, 0, 2}, type, ip})),
              ip);
    EXPECT_EQ(found(DLT_LINUX_SLL, joined({Bytes(14), type, ip, padding})), ip);
    EXPECT_EQ(found(276, joined({type, Bytes(18), ip, padding})), ip);
  }
  for (const int known : {DLT_RAW, DLT_EN10MB, DLT_LINUX_SLL, 276})
    EXPECT_TRUE(is_known_link(known));
  EXPECT_FALSE(is_known_link(DLT_IEEE802_11));
}

TEST(CaptureFrame, TellsACutPacketFromOneThatIsNone) {
  const Bytes ip = test::bytes_of({.payload = std::string(100, 'x')});
  const Bytes cut(ip.begin(), ip.begin() + 60);
  EXPECT_EQ(refusal(DLT_RAW, cut, ip.size()), NoPacket::truncated);
  EXPECT_EQ(refusal(DLT_RAW, cut, cut.size()), NoPacket::not_ip) << "it says more than it has";
  EXPECT_EQ(refusal(DLT_RAW, Bytes(cut.begin(), cut.begin() + 10), ip.size()), NoPacket::truncated);
  EXPECT_EQ(refusal(DLT_EN10MB, joined({Bytes(12), {8, 6}, Bytes(28)}), 42), NoPacket::not_ip);
  EXPECT_EQ(refusal(DLT_RAW, {}, 0), NoPacket::not_ip);
}

Packet& esp_packet(test::Packets& packets, Family family, const std::string& bytes) {
  Packet& packet = packets.put(0, bytes);
  packet.wire.local = {
      IpAddress::parse(family == Family::ipv4 ? "192.0.2.1" : "2001:db8::1").value(), 4500};
  packet.wire.peer = {
      IpAddress::parse(family == Family::ipv4 ? "192.0.2.2" : "2001:db8::2").value(), 4501};
  packet.wire.tos = 0xb9;
  packet.wire.dont_fragment = true;
  return packet;
}

TEST(CaptureFrame, FindsAgainWhatItPutOuterHeadersAround) {
  const std::string esp = test::esp_bytes(0x1000, 7, "ciphertext");
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const Encapsulation how : {Encapsulation::udp, Encapsulation::none}) {
      test::Packets packets(1);
      Packet& packet = esp_packet(packets, family, esp);
      const WireAddress sent = packet.wire;
      prepend_outer_headers(packet, how);
      const Bytes outer = test::bytes_in(packet);
      if (family == Family::ipv4) {
        EXPECT_EQ(test::slow_sum(outer, 0, 20), 0xffffu) << "IP header checksum";
      } else if (how == Encapsulation::udp) {
        const std::uint32_t sum =
            test::slow_pseudo_sum(outer, false) + test::slow_sum(outer, 40, outer.size());
        EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu) << "UDP checksum";
      }
      const auto received = esp_packet_in(outer, 4501);
      ASSERT_TRUE(received);
      EXPECT_EQ(std::string(received->esp.begin(), received->esp.end()), esp);
      EXPECT_EQ(received->wire.local.address, sent.peer.address);
      EXPECT_EQ(received->wire.peer.address, sent.local.address);
      EXPECT_EQ(received->wire.tos, 0xb9);
      EXPECT_TRUE(received->wire.dont_fragment);
      if (how == Encapsulation::none) continue;
      EXPECT_EQ(received->wire.peer.port, 4500);
      EXPECT_EQ(esp_packet_in(outer, 4502).error(), NoPacket::not_esp) << "another port";
    }
}

TEST(CaptureFrame, LeavesIkeKeepalivesAndFragmentsAlone) {
  for (const std::string& inside :
       {std::string(4, '\0') + "IKE", std::string("\xff"), std::string()}) {
    test::Packets packets(1);
    Packet& packet = esp_packet(packets, Family::ipv4, inside);
    prepend_outer_headers(packet, Encapsulation::udp);
    EXPECT_EQ(esp_packet_in(packet.view(), 4501).error(), NoPacket::not_esp);
  }
  test::Packets packets(1);
  Packet& packet = esp_packet(packets, Family::ipv4, test::esp_bytes(0x1000, 1, ""));
  prepend_outer_headers(packet, Encapsulation::none);
  packet.data()[6] = 0x20;
  EXPECT_EQ(esp_packet_in(packet.view(), 4501).error(), NoPacket::fragment);
}

TEST(CaptureFrame, TakesNoMoreForEspThanTheUdpLengthSays) {
  const std::string esp = test::esp_bytes(0x1000, 7, "ciphertext");
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    test::Packets packets(1);
    Packet& packet = esp_packet(packets, family, esp + "behind");
    prepend_outer_headers(packet, Encapsulation::udp);
    Bytes outer = test::bytes_in(packet);
    const std::size_t at = (family == Family::ipv4 ? 20u : 40u) + 4;
    const std::size_t whole = 8 + esp.size() + 6;
    ASSERT_EQ(test::get16(outer, at), whole);
    test::put16(outer, at, static_cast<std::uint32_t>(whole - 6));
    const auto shorter = esp_packet_in(outer, 4501);
    ASSERT_TRUE(shorter);
    EXPECT_EQ(std::string(shorter->esp.begin(), shorter->esp.end()), esp);
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{7}, whole + 1}) {
      test::put16(outer, at, static_cast<std::uint32_t>(wrong));
      EXPECT_EQ(esp_packet_in(outer, 4501).error(), NoPacket::not_esp) << wrong;
    }
    test::put16(outer, at, 8 + 1);  // its one byte begins an SPI that goes on behind it
    EXPECT_EQ(esp_packet_in(outer, 4501).error(), NoPacket::not_esp);
  }
}

TEST(CaptureFrame, ReadsNothingBeyondAnyBytes) {
  std::mt19937 random(3);
  constexpr int kLinks[] = {DLT_RAW, DLT_EN10MB, DLT_LINUX_SLL, 276};
  for (int round = 0; round < 200'000; ++round) {
    Bytes frame(random() % 90);  // a heap block of its own: a sanitizer sees its end
    for (std::uint8_t& byte : frame) byte = static_cast<std::uint8_t>(random());
    if (frame.size() > 14 && random() % 2 == 0) {
      test::put16(frame, 12, random() % 2 == 0 ? 0x0800 : 0x86dd);
      frame[14] = random() % 2 == 0 ? 0x45 : 0x60;
      if (frame.size() > 18) test::put16(frame, 16, static_cast<std::uint32_t>(random() % 90));
    }
    const auto ip = ip_packet_in(kLinks[random() % 4], frame, 100);
    if (ip) (void)esp_packet_in(*ip, 4500);
  }
}

// A folder of this test's own.
struct Folder {
  Folder() {
    char name[] = "/tmp/espalier-capture-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST(CapturePass, KeepsEachPacketsTimeWhateverTheOrder) {
  const Folder folder;
  const auto in = folder.path / "in", out = folder.path / "out";
  {
    auto writer = CaptureWriter::create(in);
    ASSERT_TRUE(writer) << writer.error().message;
    for (int i = 0; i < 3; ++i)
      writer->write({1000 + i, 999'999'999 - i},
                    test::bytes_of({.payload = std::string(static_cast<std::size_t>(i) + 1, 'p')}));
    ASSERT_TRUE(writer->finish());
  }
  {
    CapturePass pass(CaptureReader::open(in).value(), CaptureWriter::create(out).value());
    const auto source = make_clear_source(pass), sink = make_clear_sink(pass);
    test::Packets packets(8);
    ASSERT_EQ(source->receive(packets.all()), 3u);
    EXPECT_TRUE(pass.exhausted());
    Packet* turned[] = {&packets[2], &packets[0]};  // one is dropped
    EXPECT_EQ(sink->send(turned), 2u);
    ASSERT_TRUE(pass.finish());
  }
  auto reader = CaptureReader::open(out);
  ASSERT_TRUE(reader) << reader.error().message;
  for (const int i : {2, 0}) {
    const auto frame = reader->next();
    ASSERT_TRUE(frame && *frame);
    EXPECT_EQ((*frame)->time.tv_sec, 1000 + i);
    EXPECT_EQ((*frame)->time.tv_usec, 999'999'999 - i);
    EXPECT_EQ((*frame)->length, 41u + static_cast<unsigned>(i));
  }
  EXPECT_FALSE(reader->next().value());
}

TEST(CaptureWriter, SaysWhenTheDiskIsFull) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full here";
  auto writer = CaptureWriter::create("/dev/full");
  ASSERT_TRUE(writer) << writer.error().message;
  const Bytes packet(1000);
  for (int i = 0; i < 100; ++i) writer->write({}, packet);
  const auto finished = writer->finish();
  ASSERT_FALSE(finished);
  EXPECT_NE(finished.error().message.find("No space left"), std::string::npos)
      << finished.error().message;
}

}  // namespace
}  // namespace espalier::io
