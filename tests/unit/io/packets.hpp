// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include <poll.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::test {

// Packets with buffers of their own, as a worker has them.
class Packets {
 public:
  explicit Packets(std::size_t count, std::size_t longest = 2048)
      : capacity_(kHeadroom + longest + kTailroom), memory_(count * capacity_), packets_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      packets_[i].buffer = memory_.data() + i * capacity_;
      packets_[i].capacity = static_cast<std::uint32_t>(capacity_);
      pointers_.push_back(&packets_[i]);
    }
  }

  Packet& operator[](std::size_t i) { return packets_[i]; }
  std::span<Packet* const> all() const { return pointers_; }
  std::span<Packet* const> first(std::size_t n) const { return all().first(n); }

  // Writes the packet's bytes; nothing else of it changes.
  Packet& put(std::size_t i, const std::string& bytes) {
    packets_[i].offset = kHeadroom;
    packets_[i].length = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(packets_[i].data(), bytes.data(), bytes.size());
    return packets_[i];
  }

  std::string text(std::size_t i) const {
    const auto bytes = packets_[i].view();
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::size_t capacity_;
  std::vector<std::uint8_t> memory_;
  std::vector<Packet> packets_;
  std::vector<Packet*> pointers_;
};

// Something that looks like ESP: SPI and sequence number in network order, then `rest`.
inline std::string esp_bytes(std::uint32_t spi, std::uint32_t sequence, const std::string& rest) {
  std::string bytes;
  for (const std::uint32_t word : {spi, sequence})
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(word >> shift);
  return bytes + rest;
}

// True when the port has something to read, for which it waits until the test's time limit.
inline bool readable(const PacketPort& port, int wait_ms = 10000) {
  pollfd entry{port.descriptor(), POLLIN, 0};
  return ::poll(&entry, 1, wait_ms) == 1 && (entry.revents & POLLIN) != 0;
}

// Receives what there is, at least one packet.
inline std::size_t receive(PacketPort& port, const Packets& packets) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (const std::size_t got = port.receive(packets.all()); got > 0) return got;
    if (!readable(port)) return 0;
  }
  return 0;
}

}  // namespace espalier::test
