// SPDX-License-Identifier: Apache-2.0
#include "io/port_holder.hpp"

#include "io/descriptor.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <fstream>

namespace espalier::io {
namespace {

TEST(PortHolder, IsTheProcessThatHasTheSocket) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto holder = udp_port_holder(ntohs(address.sin_port));
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->pid, ::getpid());
  EXPECT_EQ(holder->name, "unit_io");
}

TEST(PortHolder, OfAPortThatNobodyHasIsNobody) {
  EXPECT_EQ(udp_port_holder(0), std::nullopt);
  EXPECT_EQ(udp_port_holder(4500, "/nowhere"), std::nullopt);
}

// The kernel holds sockets too, and other users' descriptors may be hidden.
TEST(PortHolder, IsNotNamedWhereNoProcessShowsTheSocket) {
  const auto proc = std::filesystem::path(testing::TempDir()) / "port_holder";
  std::filesystem::create_directories(proc / "net");
  std::filesystem::create_directories(proc / "17" / "fd");
  std::ofstream(proc / "net" / "udp")
      << "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
         "timeout inode ref pointer drops\n"
      << "  1: 0100007F:1194 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        "
         "0 4711 2 0 0\n";
  EXPECT_EQ(udp_port_holder(4500, proc), std::nullopt);
  std::filesystem::remove(proc / "17" / "fd" / "3");
  std::filesystem::create_symlink("socket:[4711]", proc / "17" / "fd" / "3");
  std::ofstream(proc / "17" / "comm") << "ch\taron\n";
  EXPECT_EQ(udp_port_holder(4500, proc), (PortHolder{17, "ch?aron"}));
  EXPECT_EQ(udp_port_holder(4501, proc), std::nullopt);
  std::filesystem::remove_all(proc);
}

}  // namespace
}  // namespace espalier::io
