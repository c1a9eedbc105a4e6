// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace espalier::io {

// What comes to the UDP port of ESP (RFC 3948 2).
enum class UdpPayload : std::uint8_t {
  esp,
  keepalive,  // one byte 0xff
  ike,        // begins with the non-ESP marker: an SPI of 0
  runt,       // too short for any of them
};

inline UdpPayload classify_udp(std::span<const std::uint8_t> datagram) noexcept {
  constexpr std::size_t kEspHeader = 8;
  constexpr std::uint8_t kKeepalive = 0xff;
  if (datagram.size() == 1 && datagram[0] == kKeepalive) return UdpPayload::keepalive;
  std::uint32_t spi = 0;
  if (datagram.size() < sizeof spi) return UdpPayload::runt;
  std::memcpy(&spi, datagram.data(), sizeof spi);
  if (spi == 0) return UdpPayload::ike;
  return datagram.size() < kEspHeader ? UdpPayload::runt : UdpPayload::esp;
}

}  // namespace espalier::io
