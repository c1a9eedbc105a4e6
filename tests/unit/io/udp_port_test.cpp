// SPDX-License-Identifier: Apache-2.0
#include <espalier/wire_port.hpp>

#include "unit/io/net_namespace.hpp"
#include "unit/io/packets.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

namespace espalier {
namespace {

using test::esp_bytes;
using test::Packets;

constexpr int kOn = 1;

Endpoint loopback(Family family, std::uint16_t port = 0) {
  Endpoint endpoint;
  endpoint.address.family = family;
  if (family == Family::ipv4)
    endpoint.address.bytes = {127, 0, 0, 1};
  else
    endpoint.address.bytes[15] = 1;
  endpoint.port = port;
  return endpoint;
}

// A UDP socket of the test's own on 127.0.0.1, to send what no port would.
class PlainSocket {
 public:
  explicit PlainSocket(int flags = 0) : fd_(::socket(AF_INET, SOCK_DGRAM | flags, 0)) {}
  ~PlainSocket() { ::close(fd_); }
  PlainSocket(const PlainSocket&) = delete;
  PlainSocket& operator=(const PlainSocket&) = delete;

  int get() const { return fd_; }
  std::uint16_t port() const {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
    return ntohs(name.sin_port);
  }
  bool bind(std::uint16_t port) {
    const sockaddr_in to = address(port);
    return ::bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  void send(std::uint16_t port, const std::string& bytes) {
    const sockaddr_in to = address(port);
    ASSERT_EQ(::sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                       sizeof to),
              static_cast<ssize_t>(bytes.size()));
  }

 private:
  static sockaddr_in address(std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
  }
  int fd_;
};

// Opens a port with any free number and tells which: what it sends carries it as the source.
struct OpenPort {
  explicit OpenPort(Family family, std::uint32_t workers = 1) {
    auto opened = open_udp({.local = loopback(family), .workers = workers});
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return;
    }
    ports = std::move(*opened);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(ports.ports[0]->descriptor(), reinterpret_cast<sockaddr*>(&name), &size);
    std::uint16_t number = 0;
    std::memcpy(&number, reinterpret_cast<const char*>(&name) + 2, 2);  // of either family
    endpoint = loopback(family, ntohs(number));
  }
  PacketPort& operator[](std::size_t i) { return *ports.ports[i]; }

  WirePorts ports;
  Endpoint endpoint;
};

class UdpPort : public testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    if (GetParam() == Family::ipv6) {
      const int fd = ::socket(AF_INET6, SOCK_DGRAM, 0);
      sockaddr_in6 local{};
      local.sin6_family = AF_INET6;
      local.sin6_addr = in6addr_loopback;
      const bool there =
          fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0;
      if (fd >= 0) ::close(fd);
      if (!there) GTEST_SKIP() << "this machine has no IPv6 loopback";
    }
  }
};

TEST_P(UdpPort, CarriesABurstInOrderWithPeerAndTos) {
  OpenPort sender(GetParam()), receiver(GetParam());
  Packets out(3), in(8);
  for (std::uint32_t i = 0; i < 3; ++i) {
    out.put(i, esp_bytes(0x1000, i + 1, "payload"));
    out[i].wire.peer = receiver.endpoint;
    out[i].wire.tos = static_cast<std::uint8_t>(0x28 + i);  // DSCP and all ECN bits
  }
  ASSERT_EQ(sender[0].send(out.all()), 3u);
  ASSERT_EQ(test::receive(receiver[0], in), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(in.text(i), esp_bytes(0x1000, i + 1, "payload"));
    EXPECT_EQ(in[i].offset, kHeadroom);
    EXPECT_EQ(in[i].wire.peer, sender.endpoint);
    EXPECT_EQ(in[i].wire.local, receiver.endpoint);
    EXPECT_EQ(in[i].wire.tos, 0x28 + i);
  }
  EXPECT_EQ(receiver[0].receive(in.all()), 0u) << "nothing is left, and it must not block";
}

// The kernel sees to it (RFC 768), also where it merges datagrams; what follows them in their IP
// packets is never taken for ESP.
TEST(UdpPortIpv4, TakesNoMoreThanTheUdpLengthSays) {
  const int raw = ::socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  if (raw < 0) GTEST_SKIP() << "raw sockets are not allowed to this user";
  OpenPort receiver(Family::ipv4);
  const std::string esp = esp_bytes(0x1000, 1, "payload");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  constexpr int kBurst = 3;
  for (int i = 0; i < kBurst; ++i) {
    const auto length = static_cast<std::uint16_t>(8 + esp.size());
    const std::uint16_t header[] = {htons(4500), htons(receiver.endpoint.port), htons(length), 0};
    std::string datagram(reinterpret_cast<const char*>(header), sizeof header);
    datagram += esp + "behind";
    ASSERT_EQ(::sendto(raw, datagram.data(), datagram.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(datagram.size()));
  }
  ::close(raw);
  for (int got = 0; got < kBurst;) {
    Packets in(8);
    const std::size_t now = test::receive(receiver[0], in);
    ASSERT_GT(now, 0u);
    for (std::size_t i = 0; i < now; ++i) EXPECT_EQ(in.text(i), esp);
    got += static_cast<int>(now);
  }
}

TEST_P(UdpPort, SendsBurstsLongerThanOneSystemCallTakes) {
  OpenPort sender(GetParam()), receiver(GetParam());
  Packets out(150), in(64);
  for (std::uint32_t i = 0; i < 150; ++i) {
    out.put(i, esp_bytes(0x1000, i, ""));
    out[i].wire.peer = receiver.endpoint;
    out[i].wire.dont_fragment = i % 50 < 25;  // both kinds within one burst
  }
  ASSERT_EQ(sender[0].send(out.all()), 150u);
  std::uint32_t next = 0;
  while (next < 150) {
    const std::size_t got = test::receive(receiver[0], in);
    ASSERT_GT(got, 0u);
    for (std::size_t i = 0; i < got; ++i) ASSERT_EQ(in.text(i), esp_bytes(0x1000, next++, ""));
  }
}

TEST_P(UdpPort, ReachesTheWorkerThatOwnsTheSpi) {
  constexpr std::uint32_t kWorkers = 3;
  OpenPort sender(GetParam()), receiver(GetParam(), kWorkers);
  Packets out(30), in(64);
  for (std::uint32_t i = 0; i < 30; ++i) {
    out.put(i, esp_bytes(0xfffffff0u - i * 7, i, ""));
    out[i].wire.peer = receiver.endpoint;
  }
  ASSERT_EQ(sender[0].send(out.all()), 30u);
  std::size_t total = 0;
  for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
    const std::size_t got = test::receive(receiver[worker], in);
    total += got;
    for (std::size_t i = 0; i < got; ++i) {
      const std::uint8_t* b = in[i].data();
      const std::uint32_t spi =
          std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
      EXPECT_EQ(worker_of(spi, kWorkers), worker);
    }
  }
  EXPECT_EQ(total, 30u);
}

INSTANTIATE_TEST_SUITE_P(Families, UdpPort, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& tested) {
                           return tested.param == Family::ipv4 ? "Ipv4" : "Ipv6";
                         });

TEST(UdpDemultiplexing, CountsAndDropsWhatIsNotEsp) {
  OpenPort port(Family::ipv4);
  PlainSocket socket;
  Packets in(16);
  socket.send(port.endpoint.port, "\xff");                                // keepalive
  socket.send(port.endpoint.port, esp_bytes(0x1000, 1, "first"));         //
  socket.send(port.endpoint.port, std::string(4, '\0') + "IKE message");  // non-ESP marker
  socket.send(port.endpoint.port, "");                                    // empty
  socket.send(port.endpoint.port, "1234567");  // shorter than ESP's header
  socket.send(port.endpoint.port, esp_bytes(0x1000, 2, "second, longer"));
  ASSERT_EQ(test::receive(port[0], in), 2u);
  EXPECT_EQ(in.text(0), esp_bytes(0x1000, 1, "first"));
  EXPECT_EQ(in.text(1), esp_bytes(0x1000, 2, "second, longer"));
  EXPECT_EQ(port.ports.counters->keepalives, 1u);
  EXPECT_EQ(port.ports.counters->ike, 1u);
  EXPECT_EQ(port.ports.counters->runts, 2u);
}

TEST(UdpDemultiplexing, DropsWhatIsLongerThanABuffer) {
  OpenPort port(Family::ipv4);
  PlainSocket socket;
  Packets in(4, 100);
  socket.send(port.endpoint.port, esp_bytes(0x1000, 1, std::string(200, 'x')));
  socket.send(port.endpoint.port, esp_bytes(0x1000, 2, "fits"));
  ASSERT_EQ(test::receive(port[0], in), 1u);
  EXPECT_EQ(in.text(0), esp_bytes(0x1000, 2, "fits"));
  EXPECT_EQ(port.ports.counters->truncated, 1u);
}

TEST(UdpSending, SkipsWhatTheSystemRefusesAndSendsTheRest) {
  OpenPort sender(Family::ipv4), receiver(Family::ipv4);
  Packets out(3, 66000), in(8, 66000);
  out.put(0, esp_bytes(0x1000, 1, ""));
  out.put(1, esp_bytes(0x1000, 2, std::string(65530, 'x')));  // over what UDP can carry
  out.put(2, esp_bytes(0x1000, 3, ""));
  for (std::size_t i = 0; i < 3; ++i) out[i].wire.peer = receiver.endpoint;
  EXPECT_EQ(sender[0].send(out.all()), 2u);
  EXPECT_EQ(sender.ports.counters->too_big, 1u);
  ASSERT_EQ(test::receive(receiver[0], in), 2u);
  EXPECT_EQ(in.text(1), esp_bytes(0x1000, 3, ""));
}

// Runs of equal length to one peer, and what must break them.
TEST(UdpOffloads, AreNotSeenByThePeer) {
  OpenPort sender(Family::ipv4), receiver(Family::ipv4), other(Family::ipv4);
  Packets out(200), in(64);
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::size_t length = i % 50 == 49 ? 700 : i % 30 == 29 ? 1300 : 1200;
    out.put(i, esp_bytes(0x1000 + i / 90, i, std::string(length, static_cast<char>(i))));
    out[i].wire.peer = i % 70 == 69 ? other.endpoint : receiver.endpoint;
    out[i].wire.tos = i / 110 == 0 ? 0 : 0xb8;
    out[i].wire.dont_fragment = i / 130 == 0;
  }
  ASSERT_EQ(sender[0].send(out.all()), 200u);
  std::uint32_t next = 0;
  while (next < 200) {
    if (next % 70 == 69) ++next;
    const std::size_t got = test::receive(receiver[0], in);
    ASSERT_GT(got, 0u);
    for (std::size_t i = 0; i < got; ++i, ++next) {
      if (next % 70 == 69) ++next;
      ASSERT_EQ(in.text(i), out.text(next)) << next;
      ASSERT_EQ(in[i].wire.tos, out[next].wire.tos) << next;
      ASSERT_EQ(in[i].wire.peer, sender.endpoint);
    }
  }
  EXPECT_EQ(test::receive(other[0], in), 2u);
  EXPECT_EQ(sender.ports.counters->segmentation_refused, 0u);
}

TEST(UdpOffloads, NeedFewMessages) {
  OpenPort sender(Family::ipv4);
  PlainSocket receiver;
  ASSERT_TRUE(receiver.bind(0));
  const int merge = 1;
  ASSERT_EQ(::setsockopt(receiver.get(), IPPROTO_UDP, UDP_GRO, &merge, sizeof merge), 0);
  Packets out(40);
  for (std::uint32_t i = 0; i < 40; ++i) {
    out.put(i, esp_bytes(0x1000, i, std::string(1000, 'x')));
    out[i].wire.peer = loopback(Family::ipv4, receiver.port());
  }
  ASSERT_EQ(sender[0].send(out.all()), 40u);
  std::string message(65536, '\0');
  EXPECT_EQ(::recv(receiver.get(), message.data(), message.size(), 0), 40 * 1008)
      << "one message went through the kernel";
}

// A path that cannot: sockets without checksums are refused as devices without them are.
TEST(UdpOffloads, AreGivenUpAndCountedWhenThePathRefusesThem) {
  OpenPort sender(Family::ipv4), receiver(Family::ipv4);
  ASSERT_EQ(::setsockopt(sender[0].descriptor(), SOL_SOCKET, SO_NO_CHECK, &kOn, sizeof kOn), 0);
  Packets out(10), in(64);
  for (std::uint32_t i = 0; i < 10; ++i) {
    out.put(i, esp_bytes(0x1000, i, "equally long"));
    out[i].wire.peer = receiver.endpoint;
  }
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(sender[0].send(out.all()), 10u) << "nothing is lost by it";
    std::size_t got = 0;
    while (got < 10) {
      const std::size_t more = test::receive(receiver[0], in);
      ASSERT_GT(more, 0u);
      for (std::size_t i = 0; i < more; ++i) EXPECT_EQ(in.text(i), out.text(got + i));
      got += more;
    }
  }
  EXPECT_EQ(sender.ports.counters->segmentation_refused, 1u);
  EXPECT_EQ(sender.ports.counters->send_errors, 0u);
}

TEST(UdpOffloads, StayOnWhenOnlyAPacketIsTooLong) {
  test::in_namespace([] {
    std::FILE* shell = ::popen("ip link set lo mtu 1400", "r");
    ::pclose(shell);
    OpenPort sender(Family::ipv4), receiver(Family::ipv4);
    Packets out(4), in(64);
    for (std::uint32_t i = 0; i < 4; ++i) {
      out.put(i, esp_bytes(0x1000, i, std::string(1450, 'x')));
      out[i].wire.peer = receiver.endpoint;
      out[i].wire.dont_fragment = true;
    }
    EXPECT_EQ(sender[0].send(out.all()), 0u);
    EXPECT_EQ(sender.ports.counters->too_big, 4u);
    for (std::uint32_t i = 0; i < 4; ++i) out[i].wire.dont_fragment = false;
    EXPECT_EQ(sender[0].send(out.all()), 4u) << "in fragments";
    EXPECT_EQ(test::receive(receiver[0], in), 4u);
    EXPECT_EQ(sender.ports.counters->segmentation_refused, 0u);
  });
}

TEST(UdpOffloads, CanBeSwitchedOff) {
  OpenPort receiver(Family::ipv4);
  auto plain = open_udp({.local = loopback(Family::ipv4), .offloads = false});
  ASSERT_TRUE(plain) << plain.error().message;
  int merge = 1;
  socklen_t size = sizeof merge;
  ASSERT_EQ(::getsockopt(plain->ports[0]->descriptor(), IPPROTO_UDP, UDP_GRO, &merge, &size), 0);
  EXPECT_EQ(merge, 0);
  Packets out(10), in(64);
  for (std::uint32_t i = 0; i < 10; ++i) {
    out.put(i, esp_bytes(0x1000, i, "equally long"));
    out[i].wire.peer = receiver.endpoint;
  }
  ASSERT_EQ(plain->ports[0]->send(out.all()), 10u);
  EXPECT_EQ(test::receive(receiver[0], in), 10u);
}

TEST(UdpSending, SurvivesAPeerThatIsNotThere) {
  OpenPort port(Family::ipv4), peer(Family::ipv4);
  Packets out(1), in(4);
  out.put(0, esp_bytes(0x1000, 1, "into the void"));
  out[0].wire.peer = loopback(Family::ipv4, 1);  // ICMP answers: port unreachable
  for (int i = 0; i < 4; ++i) (void)port[0].send(out.all());
  EXPECT_EQ(port[0].receive(in.all()), 0u);
  Packets answer(1);
  answer.put(0, esp_bytes(0x2000, 1, "alive"));
  answer[0].wire.peer = port.endpoint;
  ASSERT_EQ(peer[0].send(answer.all()), 1u);
  ASSERT_EQ(test::receive(port[0], in), 1u);
  EXPECT_EQ(in.text(0), esp_bytes(0x2000, 1, "alive"));
}

TEST(UdpOpening, NamesATakenPortAndItsHolder) {
  OpenPort holder(Family::ipv4);
  const auto second = open_udp({.local = holder.endpoint});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  const std::string number = std::to_string(holder.endpoint.port);
  EXPECT_EQ(second.error().message,
            "UDP port " + number + " of 127.0.0.1 is taken by unit_io (pid " +
                std::to_string(::getpid()) +
                "). Stop it, or give this site another 'port' in its [site] table.");
}

TEST(UdpOpening, DoesNotShareAPortWithASecondGateway) {
  OpenPort holder(Family::ipv4, 2);
  const auto second = open_udp({.local = holder.endpoint, .workers = 2});
  ASSERT_FALSE(second) << "two gateways would each get a part of the packets";
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

TEST(UdpOpening, SaysWhenTheAddressIsNotOfThisMachine) {
  Endpoint elsewhere;
  elsewhere.address.bytes = {192, 0, 2, 77};
  elsewhere.port = 4500;
  const auto opened = open_udp({.local = elsewhere});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::not_found);
  EXPECT_NE(opened.error().message.find("192.0.2.77"), std::string::npos);
}

}  // namespace
}  // namespace espalier
