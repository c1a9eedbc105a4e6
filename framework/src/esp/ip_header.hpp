// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include "esp/ip_fields.hpp"

#include <cstdint>
#include <span>

namespace espalier::esp {

constexpr std::uint32_t ip_header_bytes(Family family) noexcept {
  return family == Family::ipv4 ? kIpv4Header : kIpv6Header;
}

// A plain IP header: no options, no fragment, hop limit 64.
struct IpHeader {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint8_t tos = 0;
  bool dont_fragment = true;
};

// Writes ip_header_bytes() bytes before a payload of `payload` bytes. The IPv4 identification is 0:
// only for packets with DF, or that nobody will fragment (RFC 6864 4.1).
void write_ip_header(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept;

// The checksum over a pseudo header and `payload`, whose checksum field is 0 (RFC 9293 3.1, RFC
// 8200 8.1).
std::uint16_t upper_checksum(const IpHeader& header,
                             std::span<const std::uint8_t> payload) noexcept;

}  // namespace espalier::esp
