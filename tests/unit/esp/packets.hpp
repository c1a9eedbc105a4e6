// SPDX-License-Identifier: Apache-2.0
//
// Inner packets for tests of the engine.
#pragma once

#include <espalier/address.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace espalier::test {

using Bytes = std::vector<std::uint8_t>;

// A UDP packet with `payload` bytes that count up from `mark`.
inline Bytes udp_packet(std::string_view source, std::string_view destination, std::size_t payload,
                        std::uint16_t source_port = 1111, std::uint16_t destination_port = 2222,
                        std::uint8_t mark = 0) {
  const IpAddress from = IpAddress::parse(source).value();
  const IpAddress to = IpAddress::parse(destination).value();
  const auto put16 = [](Bytes& bytes, std::size_t value) {
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes.push_back(static_cast<std::uint8_t>(value));
  };
  const auto put_all = [](Bytes& bytes, std::span<const std::uint8_t> more) {
    for (const std::uint8_t byte : more) bytes.push_back(byte);
  };
  Bytes packet;
  if (from.family == Family::ipv4) {
    packet = {0x45, 0};
    put16(packet, 28 + payload);
    for (const int byte : {0, 0, 0x40, 0, 64, 17, 0, 0})
      packet.push_back(static_cast<std::uint8_t>(byte));
  } else {
    packet = {0x60, 0, 0, 0};
    put16(packet, 8 + payload);
    packet.push_back(17);
    packet.push_back(64);
  }
  put_all(packet, from.view());
  put_all(packet, to.view());
  put16(packet, source_port);
  put16(packet, destination_port);
  put16(packet, 8 + payload);
  put16(packet, 0);
  for (std::size_t i = 0; i < payload; ++i) packet.push_back(static_cast<std::uint8_t>(mark + i));
  return packet;
}

}  // namespace espalier::test
