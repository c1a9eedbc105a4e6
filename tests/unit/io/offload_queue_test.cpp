// SPDX-License-Identifier: Apache-2.0
//
// The kernel on the other side of a TUN device: what it hands over as large packets, and what it
// takes as such.
#include <espalier/interface_setup.hpp>
#include <espalier/tun_port.hpp>

#include "unit/io/ip_packets.hpp"
#include "unit/io/net_namespace.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

namespace espalier {
namespace {

using test::Bytes;
using test::Packets;

struct Socket {
  explicit Socket(int domain, int type) : fd(::socket(domain, type | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  explicit Socket(int accepted) : fd(accepted) {}
  ~Socket() { ::close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address(const char* text, std::uint16_t port) {
  Address made;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&made.storage, &v4, made.size = sizeof v4);
  } else if (::inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&made.storage, &v6, made.size = sizeof v6);
  }
  return made;
}

// esp0 with 10.1.0.1 and fd00::1:1, and 10.2.0.0/16 and fd00::2:0/112 behind it.
struct Tun {
  explicit Tun(bool offloads) {
    auto opened = open_tun("esp0", {.offloads = offloads});
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return;
    }
    port = std::move(opened->front());
    const auto prefix = [](const char* text, std::uint8_t length) {
      return IpPrefix{IpAddress::parse(text).value(), length};
    };
    auto made =
        InterfaceSetup::apply({.name = "esp0",
                               .mtu = 1380,
                               .addresses = {prefix("10.1.0.1", 16), prefix("fd00::1:1", 112)},
                               .routes = {prefix("10.2.0.0", 16), prefix("fd00::2:0", 112)}});
    if (!made) {
      ADD_FAILURE() << made.error().message;
      return;
    }
    setup.emplace(std::move(*made));
  }
  std::unique_ptr<PacketPort> port;
  std::optional<InterfaceSetup> setup;
};

void with_tun(bool offloads, const std::function<void(PacketPort&)>& body) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0)
    GTEST_SKIP() << "/dev/net/tun cannot be opened by this user";
  test::in_namespace([&] {
    Tun tun(offloads);
    if (tun.setup) body(*tun.port);
  });
}

bool has_right_checksums(const Bytes& packet) {
  const bool v4 = packet[0] >> 4 == 4;
  if (v4 && test::slow_sum(packet, 0, 20) != 0xffff) return false;
  const std::uint32_t sum =
      test::slow_pseudo_sum(packet, v4) + test::slow_sum(packet, v4 ? 20 : 40, packet.size());
  return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

// Sends every packet back to where it came from, as its destination would: source and destination
// address change places, which no checksum notices. So this machine talks to itself through the
// TUN device.
class Mirror {
 public:
  explicit Mirror(PacketPort& port) : port_(port), thread_([this] { run(); }) {}
  ~Mirror() {
    stop_ = true;
    thread_.join();
  }
  std::atomic<std::size_t> packets = 0, bursts = 0, wrong_checksums = 0, longest = 0;

 private:
  void run() {
    Packets burst(64);
    while (!stop_) {
      if (!test::readable(port_, 10)) continue;
      while (const std::size_t got = port_.receive(burst.all())) {
        ++bursts;
        packets += got;
        for (std::size_t i = 0; i < got; ++i) look_and_turn(burst[i]);
        port_.send(burst.first(got));
      }
    }
  }
  void look_and_turn(Packet& packet) {
    if (packet.length > longest) longest = packet.length;
    if (!has_right_checksums(test::bytes_in(packet))) ++wrong_checksums;
    const bool v4 = *packet.data() >> 4 == 4;
    std::uint8_t* source = packet.data() + (v4 ? 12 : 8);
    std::swap_ranges(source, source + (v4 ? 4 : 16), source + (v4 ? 4 : 16));
  }
  PacketPort& port_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string random_text(std::size_t size) {
  std::mt19937_64 random(5);
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

std::string read_all(int fd, std::size_t size) {
  std::string text(size, '\0');
  std::size_t at = 0;
  while (at < size) {
    const ssize_t got = ::recv(fd, text.data() + at, size - at, 0);
    if (got <= 0) break;
    at += static_cast<std::size_t>(got);
  }
  text.resize(at);
  return text;
}

// A TCP connection of this machine with itself, through the mirror.
void carry_tcp(const char* own, const char* other, const std::string& text) {
  const int domain = address(own, 0).storage.ss_family;
  Socket listening(domain, SOCK_STREAM), client(domain, SOCK_STREAM);
  const Address at = address(own, 5001), target = address(other, 5001);
  ASSERT_EQ(::bind(listening.fd, at.get(), at.size), 0) << std::strerror(errno);
  ASSERT_EQ(::listen(listening.fd, 1), 0);
  ASSERT_EQ(::connect(client.fd, target.get(), target.size), 0) << std::strerror(errno);
  Socket server(::accept(listening.fd, nullptr, nullptr));
  std::thread sender([&] {
    for (std::size_t at_byte = 0; at_byte < text.size();) {
      const ssize_t took =
          ::send(client.fd, text.data() + at_byte, text.size() - at_byte, MSG_NOSIGNAL);
      if (took <= 0) break;
      at_byte += static_cast<std::size_t>(took);
    }
  });
  const bool same = read_all(server.fd, text.size()) == text;
  sender.join();
  EXPECT_TRUE(same) << "what arrived is not what was sent";
}

class TunOffloads : public testing::TestWithParam<bool> {};

TEST_P(TunOffloads, CarryTcpAsSegmentsThatFitTheMtu) {
  with_tun(GetParam(), [offloads = GetParam()](PacketPort& port) {
    Mirror mirror(port);
    const std::string text = random_text(4'000'001);
    for (const auto& [own, other] : {std::pair{"10.1.0.1", "10.2.0.1"}, {"fd00::1:1", "fd00::2:1"}})
      carry_tcp(own, other, text);
    EXPECT_EQ(mirror.wrong_checksums, 0u);
    EXPECT_LE(mirror.longest, 1380u);
    EXPECT_GT(mirror.packets, 2 * text.size() / 1380);
    if (offloads) {
      EXPECT_LT(mirror.bursts * 4, mirror.packets) << "large packets fill bursts";
    }
  });
}

TEST_P(TunOffloads, CarryUdpDatagramsSentAsOne) {
  with_tun(GetParam(), [](PacketPort& port) {
    Socket sender(AF_INET, SOCK_DGRAM), receiver(AF_INET, SOCK_DGRAM);
    const Address own = address("10.1.0.1", 5002), other = address("10.2.0.1", 5002);
    ASSERT_EQ(::bind(receiver.fd, own.get(), own.size), 0);
    const int size = 1000;
    ASSERT_EQ(::setsockopt(sender.fd, SOL_UDP, 103 /* UDP_SEGMENT */, &size, sizeof size), 0);
    const std::string text = random_text(10'300);
    ASSERT_EQ(::sendto(sender.fd, text.data(), text.size(), 0, other.get(), other.size),
              static_cast<ssize_t>(text.size()));
    Mirror mirror(port);
    for (std::size_t at = 0; at < text.size(); at += 1000) {
      std::string datagram(2000, '\0');
      const ssize_t got = ::recv(receiver.fd, datagram.data(), datagram.size(), 0);
      ASSERT_GE(got, 0) << std::strerror(errno);
      datagram.resize(static_cast<std::size_t>(got));
      ASSERT_EQ(datagram, text.substr(at, 1000));
    }
    EXPECT_EQ(mirror.packets, 11u);
    EXPECT_EQ(mirror.wrong_checksums, 0u);
  });
}

TEST_P(TunOffloads, FinishTheChecksumOfASmallPacket) {
  with_tun(GetParam(), [](PacketPort& port) {
    Socket sender(AF_INET6, SOCK_DGRAM);
    const Address other = address("fd00::2:1", 9);
    ASSERT_EQ(::sendto(sender.fd, "odd", 3, 0, other.get(), other.size), 3);
    Packets packets(1);
    ASSERT_EQ(test::receive(port, packets), 1u);
    EXPECT_EQ(packets[0].length, 40u + 8 + 3);
    EXPECT_TRUE(has_right_checksums(test::bytes_in(packets[0])));
  });
}

INSTANTIATE_TEST_SUITE_P(Ways, TunOffloads, testing::Bool(), [](const auto& tested) {
  return tested.param ? "ByThePort" : "ByTheKernel";
});

// The worker asks again before it sleeps, and no descriptor would tell it of what is left.
TEST(OffloadQueue, KeepsWhatDoesNotFitIntoABurstForTheNext) {
  with_tun(true, [](PacketPort& port) {
    Socket sender(AF_INET, SOCK_DGRAM);
    const Address other = address("10.2.0.1", 9);
    const int size = 100;
    ASSERT_EQ(::setsockopt(sender.fd, SOL_UDP, 103 /* UDP_SEGMENT */, &size, sizeof size), 0);
    const std::string text = random_text(1000);
    ASSERT_EQ(::sendto(sender.fd, text.data(), text.size(), 0, other.get(), other.size), 1000);
    Packets packets(3);
    std::string seen;
    for (const std::size_t expected : {3u, 3u, 3u, 1u, 0u}) {
      ASSERT_EQ(port.receive(packets.all()), expected);
      for (std::size_t i = 0; i < expected; ++i) seen += packets.text(i).substr(28);
    }
    EXPECT_EQ(seen, text);
  });
}

}  // namespace
}  // namespace espalier
