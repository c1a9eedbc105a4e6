// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

enum class Family : std::uint8_t { ipv4 = 1, ipv6 = 2 };  // values of abi.h

// An IPv4 or IPv6 address in network byte order; IPv4 fills the first 4 bytes.
struct IpAddress {
  Family family = Family::ipv4;
  std::array<std::uint8_t, 16> bytes{};

  std::size_t size() const noexcept { return family == Family::ipv4 ? 4 : 16; }
  std::span<const std::uint8_t> view() const noexcept { return {bytes.data(), size()}; }
  static IpAddress from_bytes(Family family, const std::uint8_t* bytes) noexcept;
  static Result<IpAddress> parse(std::string_view text);

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// An address and a prefix length; bits beyond the length are zero.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  bool contains(const IpAddress& other) const noexcept;
  static Result<IpPrefix> parse(std::string_view text);  // "10.0.0.0/8"; without "/n": one host

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

// One UDP or TCP endpoint. `port` in host byte order.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

std::string to_string(const IpAddress& address);
std::string to_string(const IpPrefix& prefix);
std::string to_string(const Endpoint& endpoint);  // "192.0.2.1:4500", "[2001:db8::1]:4500"

}  // namespace espalier
