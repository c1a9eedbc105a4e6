// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/sa.hpp>

#include "io/capture_file.hpp"
#include "io/capture_frame.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

namespace espalier::io {

// A capture on its way through an engine: from a file through one port, and through the other port
// to a file, each packet with the time that it came with. Owns the files; for one thread.
class CapturePass {
 public:
  CapturePass(CaptureReader reader, CaptureWriter writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}

  struct Counts {
    std::uint64_t frames = 0;   // read
    std::uint64_t packets = 0;  // of them given to the engine
    std::uint64_t written = 0;
    std::array<std::uint64_t, kNoPacketKinds> skipped{};  // by NoPacket
  };
  const Counts& counts() const noexcept { return counts_; }
  bool exhausted() const noexcept { return exhausted_; }
  const Result<void>& reading() const noexcept { return reading_; }  // how that went
  Result<void> finish() { return writer_.finish(); }

  // From now on no more packets are read than these, until this is called again.
  void allow(std::uint64_t packets) noexcept { last_ = counts_.packets + packets; }

  // Of the packets that are read from now on, those that it gives a reason for are skipped.
  using Judge = std::function<std::optional<NoPacket>(const OuterPacket&)>;
  void skip(Judge judge) { judge_ = std::move(judge); }

  // Fills `packet` with the next IP packet, or, with a `udp_port`, with the next ESP packet.
  bool read(Packet& packet, const std::uint16_t* udp_port) noexcept;
  void write(Packet& packet) noexcept;

 private:
  CaptureReader reader_;
  CaptureWriter writer_;
  Counts counts_;
  std::uint64_t last_ = std::numeric_limits<std::uint64_t>::max();
  bool exhausted_ = false;
  Result<void> reading_;
  Judge judge_ = [](const OuterPacket&) { return std::nullopt; };
  // By buffer, which stays with its packet from one port to the other.
  std::unordered_map<const std::uint8_t*, CaptureTime> times_;
};

// Whether the capture has such an IP packet. Reads up to the first one; a capture that fails before
// it is an error.
Result<bool> holds(CaptureReader reader, const std::function<bool(const OuterPacket&)>& such);

// A file of inner packets, or of ESP packets to `udp_port` and of IP protocol 50. What is sent
// there goes nowhere. The pass outlives the ports.
std::unique_ptr<PacketPort> make_clear_source(CapturePass& pass);
std::unique_ptr<PacketPort> make_wire_source(CapturePass& pass, std::uint16_t udp_port);

// A file to be filled with inner packets, or with ESP packets in outer headers.
std::unique_ptr<PacketPort> make_clear_sink(CapturePass& pass);
std::unique_ptr<PacketPort> make_wire_sink(CapturePass& pass, Encapsulation encapsulation);

}  // namespace espalier::io
