// SPDX-License-Identifier: Apache-2.0
#include "esp/ip_header.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"

#include <cstring>

namespace espalier::esp {

namespace {

constexpr std::uint8_t kHopLimit = 64;

void write_ipv4(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  at[0] = 0x45;
  at[1] = header.tos;
  store_be16(at + kIpv4Length, static_cast<std::uint16_t>(kIpv4Header + payload));
  store_be16(at + kIpv4Id, 0);
  store_be16(at + kIpv4Fragment, header.dont_fragment ? kIpv4DontFragment : 0);
  at[kIpv4Ttl] = kHopLimit;
  at[kIpv4Protocol] = header.protocol;
  store_be16(at + kIpv4Checksum, 0);
  std::memcpy(at + kIpv4Addresses, header.source.bytes.data(), 4);
  std::memcpy(at + kIpv4Addresses + 4, header.destination.bytes.data(), 4);
  store_be16(at + kIpv4Checksum, checksum_of(sum_words({at, kIpv4Header})));
}

void write_ipv6(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  store_be32(at, 6u << 28 | std::uint32_t{header.tos} << 20);
  store_be16(at + kIpv6Length, static_cast<std::uint16_t>(payload));
  at[kIpv6Next] = header.protocol;
  at[kIpv6HopLimit] = kHopLimit;
  std::memcpy(at + kIpv6Addresses, header.source.bytes.data(), 16);
  std::memcpy(at + kIpv6Addresses + 16, header.destination.bytes.data(), 16);
}

}  // namespace

void write_ip_header(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  header.source.family == Family::ipv4 ? write_ipv4(at, header, payload)
                                       : write_ipv6(at, header, payload);
}

std::uint16_t upper_checksum(const IpHeader& header,
                             std::span<const std::uint8_t> payload) noexcept {
  const auto length = static_cast<std::uint32_t>(payload.size());
  return checksum_of(sum_words(header.source.view()) +
                     sum_pseudo_header(header.destination.view(), header.protocol, length) +
                     sum_words(payload));
}

}  // namespace espalier::esp
