// SPDX-License-Identifier: Apache-2.0
#include "gateway/capture_side.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace espalier {
namespace {

using io::NoPacket;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

SiteConfig site(const char* name, const char* outer, const char* network) {
  SiteConfig made;
  made.name = name;
  made.outer = {address(outer), 4500};
  made.networks = {*IpPrefix::parse(network)};
  return made;
}

// 'left', whose tunnel to 'right' leads everywhere.
CaptureSide left() {
  GatewayConfig config;
  config.site = "left";
  config.sites.emplace("left", site("left", "192.0.2.1", "10.1.0.0/24"));
  config.sites.emplace("right", site("right", "192.0.2.2", "0.0.0.0/0"));
  TunnelConfig tunnel;
  tunnel.first = "left";
  tunnel.second = "right";
  config.tunnels.push_back(std::move(tunnel));
  return {config, {0x1001}};
}

std::optional<NoPacket> decrypting(const char* from, const char* to, std::uint8_t spi) {
  const std::uint8_t esp[] = {0, 0, 0x10, spi};
  WireAddress wire;
  wire.peer.address = address(from);
  wire.local.address = address(to);
  return left().not_to_decrypt({esp, wire});
}

std::optional<NoPacket> encrypting(const char* from, const char* to) {
  std::vector<std::uint8_t> ip(20);
  ip[0] = 0x45;
  std::ranges::copy_n(address(from).bytes.begin(), 4, ip.begin() + 12);
  std::ranges::copy_n(address(to).bytes.begin(), 4, ip.begin() + 16);
  return left().not_to_encrypt({ip, {}});
}

TEST(CaptureSide, DecryptsWhatComesToItsAddressWhateverTheSpi) {
  EXPECT_EQ(decrypting("192.0.2.2", "192.0.2.1", 1), std::nullopt);
  EXPECT_EQ(decrypting("192.0.2.9", "192.0.2.1", 9), std::nullopt) << "a drop, for an unknown SPI";
}

TEST(CaptureSide, DecryptsItsSpisFromBeyondANat) {
  EXPECT_EQ(decrypting("198.51.100.2", "198.51.100.1", 1), std::nullopt);
}

TEST(CaptureSide, PassesOverWhatItSentItself) {
  EXPECT_EQ(decrypting("192.0.2.1", "192.0.2.2", 2), NoPacket::other_direction);
  EXPECT_EQ(decrypting("192.0.2.1", "192.0.2.2", 1), NoPacket::other_direction)
      << "both ends may have chosen one number";
  EXPECT_EQ(decrypting("198.51.100.1", "192.0.2.2", 2), NoPacket::other_direction)
      << "behind a NAT";
}

TEST(CaptureSide, PassesOverWhatOthersSay) {
  EXPECT_EQ(decrypting("198.51.100.1", "198.51.100.2", 2), NoPacket::of_others);
}

TEST(CaptureSide, EncryptsWhatLeavesItsNetworks) {
  EXPECT_EQ(encrypting("10.1.0.7", "8.8.8.8"), std::nullopt);
  EXPECT_EQ(encrypting("10.1.0.7", "10.1.0.8"), std::nullopt) << "everything is behind the peer";
}

TEST(CaptureSide, DoesNotEncryptWhatArrived) {
  EXPECT_EQ(encrypting("8.8.8.8", "10.1.0.7"), NoPacket::other_direction);
}

TEST(CaptureSide, LeavesWhatHasNoDirectionToTheEngine) {
  EXPECT_EQ(encrypting("172.16.0.1", "172.16.0.2"), std::nullopt);
}

}  // namespace
}  // namespace espalier
