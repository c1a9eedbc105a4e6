// SPDX-License-Identifier: Apache-2.0
//
// Inner packets written out field by field, with checksums computed the slow way.
#pragma once

#include <espalier/packet.hpp>

#include "unit/io/packets.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::test {

using Bytes = std::vector<std::uint8_t>;

inline void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}
inline void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value);
}
inline std::uint32_t get16(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{bytes.at(at)} << 8 | bytes.at(at + 1);
}
inline std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return get16(bytes, at) << 16 | get16(bytes, at + 2);
}

// RFC 1071, two bytes at a time; not complemented.
inline std::uint32_t slow_sum(const Bytes& bytes, std::size_t from, std::size_t to) {
  std::uint32_t sum = 0;
  for (std::size_t i = from; i < to; i += 2) {
    sum += std::uint32_t{bytes[i]} << 8 | (i + 1 < to ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

// One packet of a flow, as a person would describe it.
struct IpPacket {
  bool v4 = true;
  bool tcp = true;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint16_t id = 1;             // IPv4
  std::uint16_t fragment = 0x4000;  // IPv4: flags and offset
  std::uint8_t source = 1;          // last byte of the address
  std::uint16_t source_port = 40000;
  std::uint32_t sequence = 1000;  // TCP, from here
  std::uint32_t acknowledgement = 77;
  std::uint8_t flags = 0x10;  // ACK
  std::uint16_t window = 502;
  std::uint16_t urgent = 0;
  std::string options = {};  // in fours
  std::string payload = {};

  std::size_t ip_header() const { return v4 ? 20 : 40; }
  std::size_t headers() const { return ip_header() + (tcp ? 20 + options.size() : 8); }
};

inline std::uint32_t slow_pseudo_sum(const Bytes& packet, bool v4) {
  const std::size_t ip = v4 ? 20 : 40;
  std::uint32_t sum = v4 ? slow_sum(packet, 12, 20) : slow_sum(packet, 8, 40);
  sum += packet[v4 ? 9 : 6] + static_cast<std::uint32_t>(packet.size() - ip);
  return (sum & 0xffff) + (sum >> 16);
}

// Writes lengths and checksums anew: for what is in `packet` now.
inline void finish(Bytes& packet, bool v4, bool tcp) {
  const std::size_t ip = v4 ? 20 : 40;
  if (v4) {
    put16(packet, 2, static_cast<std::uint32_t>(packet.size()));
    put16(packet, 10, 0);
    put16(packet, 10, ~slow_sum(packet, 0, 20));
  } else {
    put16(packet, 4, static_cast<std::uint32_t>(packet.size() - 40));
  }
  if (!tcp) put16(packet, ip + 4, static_cast<std::uint32_t>(packet.size() - ip));
  const std::size_t at = ip + (tcp ? 16 : 6);
  put16(packet, at, 0);
  std::uint32_t sum = slow_pseudo_sum(packet, v4) + slow_sum(packet, ip, packet.size());
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
  put16(packet, at, !tcp && sum == 0 ? 0xffff : sum);
}

inline Bytes bytes_of(const IpPacket& p) {
  Bytes packet(p.headers());
  if (p.v4) {
    packet[0] = 0x45;
    packet[1] = p.tos;
    put16(packet, 4, p.id);
    put16(packet, 6, p.fragment);
    packet[8] = p.ttl;
    packet[9] = p.tcp ? 6 : 17;
    put32(packet, 12, 0x0a010000u + p.source);
    put32(packet, 16, 0x0a020001u);
  } else {
    packet[0] = static_cast<std::uint8_t>(0x60 | p.tos >> 4);
    packet[1] = static_cast<std::uint8_t>(p.tos << 4);
    packet[6] = p.tcp ? 6 : 17;
    packet[7] = p.ttl;
    packet[8] = packet[24] = 0xfd;
    packet[23] = p.source;
  }
  const std::size_t at = p.ip_header();
  put16(packet, at, p.source_port);
  put16(packet, at + 2, 443);
  if (p.tcp) {
    put32(packet, at + 4, p.sequence);
    put32(packet, at + 8, p.acknowledgement);
    packet[at + 12] = static_cast<std::uint8_t>((20 + p.options.size()) / 4 << 4);
    packet[at + 13] = p.flags;
    put16(packet, at + 14, p.window);
    put16(packet, at + 18, p.urgent);
    std::copy(p.options.begin(), p.options.end(), packet.begin() + static_cast<long>(at) + 20);
  }
  packet.insert(packet.end(), p.payload.begin(), p.payload.end());
  finish(packet, p.v4, p.tcp);
  return packet;
}

inline std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }
inline Bytes bytes_in(const Packet& packet) {
  const auto view = packet.view();
  return {view.begin(), view.end()};
}

// Packets of a burst with these bytes.
inline Packets burst_of(const std::vector<Bytes>& all) {
  Packets packets(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) packets.put(i, text_of(all[i]));
  return packets;
}

}  // namespace espalier::test
