// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace espalier {

inline constexpr std::size_t kHeadroom = 128;           // for ESP, UDP and outer IP headers
inline constexpr std::size_t kMaxPacket = 65535;        // longest inner packet
inline constexpr std::size_t kTailroom = 64 + 255 + 2;  // ICV, padding, and what kernels scribble

// Where a packet on the wire comes from or goes to: everything about it that is outside of ESP.
struct WireAddress {
  Endpoint local;
  Endpoint peer;
  std::uint8_t tos = 0;       // DSCP and ECN of the outer header
  bool dont_fragment = true;  // IPv4
};

// A contiguous packet in a buffer with headroom and tailroom. Inner IP packets and ESP packets
// (from the SPI on) alike; the outer headers are the port's.
struct Packet {
  std::uint8_t* buffer = nullptr;  // first byte of the buffer; capacity bytes are the packet's own
  std::uint32_t capacity = 0;
  std::uint32_t offset = 0;  // of the first byte of the packet
  std::uint32_t length = 0;
  WireAddress wire;

  std::uint8_t* data() const noexcept { return buffer + offset; }
  std::span<std::uint8_t> view() const noexcept { return {data(), length}; }
};

// A path that turned out to be narrower than what was sent over it.
struct PathMtu {
  IpAddress peer;
  std::uint32_t mtu = 0;  // bytes of an IP packet
};

// Packets in and out, in bursts: a TUN device, a socket, a file, memory. Owned by one worker.
class PacketPort {
 public:
  virtual ~PacketPort() = default;

  // Fills up to packets.size() packets, each at offset kHeadroom. Never blocks; 0: nothing there.
  virtual std::size_t receive(std::span<Packet* const> packets) noexcept = 0;
  // Sends all; what the system does not take is dropped and counted. Gives the number sent.
  virtual std::size_t send(std::span<Packet* const> packets) noexcept = 0;
  // Readable when receive() has something to read; -1: always ready, to be polled. What has been
  // read and did not fit is not seen here: call receive() until it gives 0.
  virtual int descriptor() const noexcept = 0;
  // To be called when poll() sees an error on the descriptor. False: the port is gone for good.
  virtual bool look_at_error() noexcept { return true; }
  // What ICMP or the system said of packets that were too big; each is given once.
  virtual std::optional<PathMtu> take_path_mtu() noexcept { return std::nullopt; }
};

}  // namespace espalier
