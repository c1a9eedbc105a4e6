// SPDX-License-Identifier: Apache-2.0
#include "esp/ip_header.hpp"

#include "esp/checksum.hpp"

#include <cstring>

namespace espalier::esp {

namespace {

constexpr std::uint8_t kHopLimit = 64;

void write_ipv4(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  at[0] = 0x45;
  at[1] = header.tos;
  store_be16(at + 2, static_cast<std::uint16_t>(kIpv4Header + payload));
  store_be16(at + 4, 0);
  store_be16(at + 6, header.dont_fragment ? 0x4000 : 0);
  at[8] = kHopLimit;
  at[9] = header.protocol;
  store_be16(at + 10, 0);
  std::memcpy(at + 12, header.source.bytes.data(), 4);
  std::memcpy(at + 16, header.destination.bytes.data(), 4);
  InternetChecksum checksum;
  checksum.add({at, kIpv4Header});
  store_be16(at + 10, checksum.value());
}

void write_ipv6(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  store_be32(at, 6u << 28 | std::uint32_t{header.tos} << 20);
  store_be16(at + 4, static_cast<std::uint16_t>(payload));
  at[6] = header.protocol;
  at[7] = kHopLimit;
  std::memcpy(at + 8, header.source.bytes.data(), 16);
  std::memcpy(at + 24, header.destination.bytes.data(), 16);
}

}  // namespace

void write_ip_header(std::uint8_t* at, const IpHeader& header, std::uint32_t payload) noexcept {
  header.source.family == Family::ipv4 ? write_ipv4(at, header, payload)
                                       : write_ipv6(at, header, payload);
}

std::uint16_t upper_checksum(const IpHeader& header,
                             std::span<const std::uint8_t> payload) noexcept {
  InternetChecksum checksum;
  checksum.add(header.source.view());
  checksum.add(header.destination.view());
  checksum.add(static_cast<std::uint32_t>(payload.size()));
  checksum.add(std::uint32_t{header.protocol});
  checksum.add(payload);
  return checksum.value();
}

}  // namespace espalier::esp
