// SPDX-License-Identifier: Apache-2.0
#include <espalier/interface_setup.hpp>
#include <espalier/tun_port.hpp>

#include "io/detour.hpp"
#include "io/netlink.hpp"

#include "unit/io/net_namespace.hpp"
#include "unit/io/packets.hpp"

#include <gtest/gtest.h>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace espalier {
namespace {

using test::Packets;

IpPrefix ipv4(std::array<std::uint8_t, 4> bytes, std::uint8_t length) {
  IpPrefix prefix;
  std::copy(bytes.begin(), bytes.end(), prefix.address.bytes.begin());
  prefix.length = length;
  return prefix;
}

// fd00:0:0:`net`::`host`
IpPrefix ipv6(std::uint8_t net, std::uint8_t host, std::uint8_t length) {
  IpPrefix prefix;
  prefix.address.family = Family::ipv6;
  prefix.address.bytes[0] = 0xfd;
  prefix.address.bytes[7] = net;
  prefix.address.bytes[15] = host;
  prefix.length = length;
  return prefix;
}

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 512> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) output += part.data();
  ::pclose(pipe);
  return output;
}

// Addresses, routes, and flags and MTU of esp0.
std::string network_state() {
  return output_of(
      "ip -br addr; ip route; ip -6 route; ip link show esp0 | sed 's/qdisc [a-z_]*//'");
}

void send_datagram(std::array<std::uint8_t, 4> to, const std::string& text) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  std::memcpy(&address.sin_addr, to.data(), 4);
  EXPECT_EQ(::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                     sizeof address),
            static_cast<ssize_t>(text.size()));
  ::close(fd);
}

// Runs the body in a namespace where TUN devices can be made, or skips.
void with_tun(const std::function<void()>& body) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "/dev/net/tun cannot be opened by this user";
  ::close(fd);
  test::in_namespace(body);
}

const InterfacePlan kPlan = {.name = "esp0",
                             .mtu = 1380,
                             .addresses = {ipv4({10, 1, 0, 1}, 24), ipv6(1, 1, 64)},
                             .routes = {ipv4({10, 2, 0, 0}, 16), ipv6(2, 0, 64)}};

TEST(InterfaceName, IsWhatTheKernelTakes) {
  EXPECT_TRUE(validate_interface_name("esp0"));
  EXPECT_TRUE(validate_interface_name("fifteen-bytes-x"));
  for (const char* bad : {"", ".", "..", "a/b", "esp%d", "a b", "a:b", "sixteen-bytes-xx"})
    EXPECT_FALSE(validate_interface_name(bad)) << bad;
}

TEST(InterfaceName, TooLongIsSaidWithTheLimit) {
  const auto checked = validate_interface_name("a-very-long-interface-name");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message,
            "The interface name 'a-very-long-interface-name' is 26 bytes long; Linux takes at most "
            "15.");
}

TEST(Tun, CarriesInnerPacketsBothWays) {
  with_tun([] {
    auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    PacketPort& tun = *ports->front();
    Packets packets(8);
    EXPECT_EQ(tun.receive(packets.all()), 0u) << "a new TUN is silent: no IPv6 solicitations";

    send_datagram({10, 2, 3, 4}, "hello");
    ASSERT_EQ(test::receive(tun, packets), 1u);
    const std::string sent = packets.text(0);
    ASSERT_EQ(sent.size(), 20 + 8 + 5u);
    EXPECT_EQ(sent[0], 0x45) << "raw IP, without packet information";
    EXPECT_EQ(sent.substr(28), "hello");

    // Turned around, it comes out of a socket that is bound to the port it goes to.
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(9);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    std::string back = sent;
    back.replace(12, 8, sent.substr(16, 4) + sent.substr(12, 4));
    back.replace(26, 2, 2, '\0');  // no UDP checksum
    packets.put(0, back);
    ASSERT_EQ(tun.send(packets.first(1)), 1u);
    std::array<char, 64> got{};
    EXPECT_EQ(::recv(fd, got.data(), got.size(), 0), 5);
    EXPECT_STREQ(got.data(), "hello");
    ::close(fd);
  });
}

TEST(Tun, CountsAsUnsentWhatIsNotIp) {
  with_tun([] {
    auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    Packets packets(1);
    packets.put(0, std::string(40, '\0'));
    EXPECT_EQ(ports->front()->send(packets.all()), 0u);
  });
}

TEST(Tun, HasAQueueForEachWorker) {
  with_tun([] {
    auto ports = open_tun("esp0", {.queues = 4});
    ASSERT_TRUE(ports) << ports.error().message;
    EXPECT_EQ(ports->size(), 4u);
    auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    send_datagram({10, 2, 3, 4}, "somewhere");
    Packets packets(8);
    std::size_t got = 0;
    for (auto& port : *ports) got += port->receive(packets.all());
    EXPECT_EQ(got, 1u);
  });
}

TEST(Tun, VanishesWithItsPorts) {
  with_tun([] {
    {
      const auto ports = open_tun("esp0", {.queues = 2});
      ASSERT_TRUE(ports) << ports.error().message;
      EXPECT_NE(::if_nametoindex("esp0"), 0u);
    }
    EXPECT_EQ(::if_nametoindex("esp0"), 0u);
  });
}

TEST(Tun, RefusesANameThatIsTaken) {
  with_tun([] {
    const auto first = open_tun("esp0", {.queues = 2});
    ASSERT_TRUE(first) << first.error().message;
    for (const std::uint32_t queues : {1u, 2u}) {
      const auto second = open_tun("esp0", {.queues = queues});
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().code, ErrorCode::conflict);
      EXPECT_NE(second.error().message.find("ip link delete esp0"), std::string::npos);
    }
    EXPECT_FALSE(open_tun("lo"));
  });
}

TEST(Tun, WithoutThePrivilegeSaysWhatToDo) {
  with_tun([] {
    ASSERT_TRUE(test::drop_capabilities());
    const auto ports = open_tun("esp0");
    ASSERT_FALSE(ports);
    EXPECT_EQ(ports.error().code, ErrorCode::permission);
    EXPECT_NE(ports.error().message.find("CAP_NET_ADMIN"), std::string::npos)
        << ports.error().message;
  });
}

TEST(InterfaceSetup, MakesAddressesMtuAndRoutes) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    const std::string link = output_of("ip addr show dev esp0");
    EXPECT_NE(link.find("mtu 1380"), std::string::npos) << link;
    EXPECT_NE(link.find("UP"), std::string::npos) << link;
    EXPECT_NE(link.find("inet 10.1.0.1/24"), std::string::npos) << link;
    EXPECT_NE(link.find("inet6 fd00:0:0:1::1/64"), std::string::npos) << link;
    EXPECT_EQ(link.find("fe80"), std::string::npos) << link;
    EXPECT_NE(output_of("ip route").find("10.2.0.0/16 dev esp0"), std::string::npos);
    EXPECT_NE(output_of("ip -6 route").find("fd00:0:0:2::/64 dev esp0"), std::string::npos);
  });
}

TEST(InterfaceSetup, SaysThatIpv6IsSwitchedOffAndHowToSwitchItOn) {
  with_tun([] {
    test::write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_FALSE(setup);
    EXPECT_EQ(setup.error().message,
              "Cannot give the interface 'esp0' the address fd00:0:0:1::1/64: IPv6 is switched off "
              "there. Switch it on with 'sysctl -w net/ipv6/conf/default/disable_ipv6=0', or take "
              "the IPv6 addresses and networks out of the configuration.");

    test::write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0");
    InterfacePlan only_routes = kPlan;
    only_routes.addresses.clear();
    const auto routed = InterfaceSetup::apply(only_routes);
    ASSERT_FALSE(routed);
    EXPECT_NE(routed.error().message.find("'sysctl -w net/ipv6/conf/esp0/disable_ipv6=0'"),
              std::string::npos)
        << routed.error().message;
  });
}

TEST(InterfaceSetup, UndoesWhatItMadeAndNothingElse) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    output_of("ip addr add 10.9.0.1/32 dev esp0");
    const std::string before = network_state();
    {
      const auto setup = InterfaceSetup::apply(kPlan);
      ASSERT_TRUE(setup) << setup.error().message;
      EXPECT_NE(network_state(), before);
    }
    EXPECT_EQ(network_state(), before);
  });
}

TEST(InterfaceSetup, LeavesNothingBehindWhenItFailsHalfWay) {
  with_tun([] {
    const auto other = open_tun("other0");
    ASSERT_TRUE(other) << other.error().message;
    output_of("ip link set other0 up; ip route add 10.2.0.0/16 dev other0");
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const std::string before = network_state();
    const auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_FALSE(setup);
    EXPECT_EQ(setup.error().code, ErrorCode::conflict);
    EXPECT_EQ(setup.error().message,
              "Cannot route 10.2.0.0/16 through the interface 'esp0': another route to it exists. "
              "'ip route show 10.2.0.0/16' shows it; delete it, or correct the 'networks' of the "
              "sites.");
    EXPECT_EQ(network_state(), before);
  });
}

// libnl has no word for most of the kernel's errors.
TEST(RouteNetlink, SaysWhatTheKernelSaid) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    auto netlink = io::RouteNetlink::connect();
    ASSERT_TRUE(netlink) << netlink.error().message;
    const int index = static_cast<int>(if_nametoindex("esp0"));
    const auto route = netlink->add_route("esp0", index, {ipv4({10, 2, 0, 0}, 16)});
    ASSERT_FALSE(route) << "the device is down";
    EXPECT_EQ(route.error().message,
              "Cannot route 10.2.0.0/16 through the interface 'esp0': Network is down (Device for "
              "nexthop is not up).");
    const auto link = netlink->link("nosuch0");
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().message,
              "There is no network interface 'nosuch0' (No such device). 'ip link' lists those of "
              "this machine.");
  });
}

TEST(InterfaceSetup, TakesRoutesAndGivesThemUpLater) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const auto other = open_tun("other0");
    ASSERT_TRUE(other) << other.error().message;
    output_of("ip link set other0 up; ip route add 10.8.0.0/16 dev other0");
    const std::string before = network_state();
    {
      auto setup = InterfaceSetup::apply(kPlan);
      ASSERT_TRUE(setup) << setup.error().message;
      const std::string planned = network_state();
      const IpPrefix later = ipv4({10, 3, 0, 0}, 16);
      EXPECT_TRUE(setup->add_route({later}));
      EXPECT_TRUE(setup->add_route({later})) << "it is there already";
      EXPECT_NE(output_of("ip route").find("10.3.0.0/16 dev esp0"), std::string::npos);
      EXPECT_FALSE(setup->add_route({ipv4({10, 8, 0, 0}, 16)})) << "another made that one";
      setup->delete_route(ipv4({10, 8, 0, 0}, 16));
      setup->delete_route(later);
      EXPECT_EQ(network_state(), planned);
      EXPECT_TRUE(setup->add_route({later}));
    }
    EXPECT_EQ(network_state(), before);
  });
}

TEST(InterfaceSetup, PutsBackWhatGoesWithAnInterfaceThatIsSetDown) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    const IpPrefix later = ipv4({10, 3, 0, 0}, 16);
    const IpPrefix gone = ipv4({10, 4, 0, 0}, 16);
    ASSERT_TRUE(setup->add_route({later}));
    ASSERT_TRUE(setup->add_route({gone}));
    setup->delete_route(gone);
    const std::string before = network_state();
    EXPECT_EQ(setup->restore().value(), InterfaceChange{}) << "what it did itself is no news";

    output_of("ip link set esp0 down");
    EXPECT_EQ(setup->restore().value(), InterfaceChange{.down = true});
    EXPECT_EQ(setup->restore().value(), InterfaceChange{}) << "told once";
    EXPECT_EQ(output_of("ip route").find("esp0"), std::string::npos) << "it stays down";
    output_of("ip link set esp0 up");
    const auto back = setup->restore();
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->routes, kPlan.routes.size() + 1);
    EXPECT_EQ(network_state(), before);
    EXPECT_EQ(setup->restore().value(), InterfaceChange{});

    output_of("ip route delete 10.3.0.0/16; ip address flush dev esp0");
    EXPECT_EQ(setup->restore().value().addresses, kPlan.addresses.size());
    EXPECT_EQ(network_state(), before);
  });
}

// What a site's routes and rules are, where they stand.
std::string routing_state() {
  return output_of("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all");
}

// The same once the kernel has made esp0's IPv6 address its own, which it does later.
std::string settled_routing_state() {
  const std::string route = "local " + to_string(kPlan.addresses.back().address) + " dev esp0";
  for (int tries = 0; tries < 500; ++tries) {
    if (output_of("ip -6 route show table local").find(route) != std::string::npos)
      return routing_state();
    ::usleep(10'000);
  }
  ADD_FAILURE() << "there is no route '" << route << "'";
  return {};
}

int mark_of(int fd) {
  int mark = -1;
  socklen_t size = sizeof mark;
  EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
  return mark;
}

TEST(InterfaceSetup, LetsMarkedSocketsPassByRoutesThatStandApart) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const int outer = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    InterfacePlan plan = kPlan;
    plan.site = "left";
    plan.outer_sockets = {outer};
    int apart = 0;
    plan.on_apart = [&apart](Family) { ++apart; };
    auto setup = InterfaceSetup::apply(plan);
    ASSERT_TRUE(setup) << setup.error().message;
    const std::string before = settled_routing_state();
    EXPECT_EQ(mark_of(outer), 0) << "nobody needs it";

    EXPECT_TRUE(setup->add_route({ipv4({0, 0, 0, 0}, 0), true}));
    EXPECT_TRUE(
        setup->add_route({ipv4({192, 0, 2, 2}, 32), true, ipv4({10, 1, 0, 1}, 32).address}));
    EXPECT_EQ(apart, 1) << "once for a family";
    const auto detour = io::detour_of("left");
    EXPECT_EQ(mark_of(outer), static_cast<int>(detour.mark));
    EXPECT_EQ(output_of("ip route"), output_of("ip route show table main"));
    const auto table = [](std::uint32_t number) {
      return output_of("ip route show table " + std::to_string(number));
    };
    EXPECT_EQ(table(detour.networks), "default dev esp0 proto static scope link \n");
    EXPECT_EQ(table(detour.hosts), "192.0.2.2 dev esp0 proto static scope link src 10.1.0.1 \n");
    EXPECT_NE(output_of("ip rule").find("lookup main suppress_prefixlength 0 proto 69"),
              std::string::npos);

    setup->delete_route(ipv4({0, 0, 0, 0}, 0));
    EXPECT_EQ(output_of("ip rule").find("suppress_prefixlength"), std::string::npos);
    EXPECT_EQ(mark_of(outer), static_cast<int>(detour.mark));
    setup->delete_route(ipv4({192, 0, 2, 2}, 32));
    EXPECT_EQ(mark_of(outer), 0);
    EXPECT_EQ(routing_state(), before);
    ::close(outer);
  });
}

TEST(InterfaceSetup, MovesARouteApartAndBack) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    auto setup = InterfaceSetup::apply(kPlan);
    ASSERT_TRUE(setup) << setup.error().message;
    const std::string before = settled_routing_state();
    EXPECT_TRUE(setup->add_route({ipv6(2, 0, 64), true}));
    EXPECT_EQ(output_of("ip -6 route show fd00:0:0:2::/64"), "");
    EXPECT_NE(routing_state(), before);
    EXPECT_TRUE(setup->add_route({ipv6(2, 0, 64)}));
    EXPECT_EQ(routing_state(), before);
  });
}

TEST(InterfaceSetup, TakesOverTheRulesOfADeadOneOfItsSite) {
  with_tun([] {
    const auto ports = open_tun("esp0");
    ASSERT_TRUE(ports) << ports.error().message;
    const std::string before = routing_state();
    const auto rule = io::standing_rules(io::detour_of("left"), Family::ipv6);
    const auto other = io::standing_rules(io::detour_of("right"), Family::ipv6);
    auto netlink = io::RouteNetlink::connect().value();
    for (const io::RoutingRule& stale : rule) EXPECT_TRUE(netlink.add_rule(stale));
    EXPECT_TRUE(netlink.add_rule(other.front()));
    InterfacePlan plan = kPlan;
    plan.site = "left";
    {
      EXPECT_TRUE(InterfaceSetup::apply(plan));
    }
    EXPECT_NE(routing_state(), before) << "the other site's rule";
    EXPECT_TRUE(netlink.delete_rule(other.front()));
    EXPECT_EQ(routing_state(), before);
  });
}

TEST(InterfaceSetup, NamesAnInterfaceThatIsNotThere) {
  const auto setup = InterfaceSetup::apply({.name = "no-such-if", .addresses = {}, .routes = {}});
  ASSERT_FALSE(setup);
  EXPECT_EQ(setup.error().code, ErrorCode::not_found);
  EXPECT_NE(setup.error().message.find("no-such-if"), std::string::npos);
}

}  // namespace
}  // namespace espalier
