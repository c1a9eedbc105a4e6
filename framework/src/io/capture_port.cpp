// SPDX-License-Identifier: Apache-2.0
#include "io/capture_port.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace espalier::io {
namespace {

class Source final : public PacketPort {
 public:
  Source(CapturePass& pass, std::optional<std::uint16_t> udp_port)
      : pass_(pass), udp_port_(udp_port) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    std::size_t given = 0;
    while (given < packets.size() && pass_.read(*packets[given], udp_port_ ? &*udp_port_ : nullptr))
      ++given;
    return given;
  }
  std::size_t send(std::span<Packet* const>) noexcept override { return 0; }
  int descriptor() const noexcept override { return -1; }

 private:
  CapturePass& pass_;
  std::optional<std::uint16_t> udp_port_;
};

class Sink final : public PacketPort {
 public:
  Sink(CapturePass& pass, std::optional<Encapsulation> encapsulation)
      : pass_(pass), encapsulation_(encapsulation) {}

  std::size_t receive(std::span<Packet* const>) noexcept override { return 0; }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    for (Packet* packet : packets) {
      if (encapsulation_) prepend_outer_headers(*packet, *encapsulation_);
      pass_.write(*packet);
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }

 private:
  CapturePass& pass_;
  std::optional<Encapsulation> encapsulation_;
};

using Found = std::expected<OuterPacket, NoPacket>;

Found packet_in(const Frame& frame, int link_type, const std::uint16_t* udp_port) {
  const auto ip = ip_packet_in(link_type, frame.bytes, frame.length);
  if (!ip) return std::unexpected(ip.error());
  if (ip->size() > kMaxPacket) return std::unexpected(NoPacket::too_long);
  return udp_port == nullptr ? Found(OuterPacket{*ip, {}}) : esp_packet_in(*ip, *udp_port);
}

}  // namespace

Result<bool> holds(CaptureReader reader, const std::function<bool(const OuterPacket&)>& such) {
  for (;;) {
    const auto frame = reader.next();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame) return false;
    const Found packet = packet_in(**frame, reader.link_type(), nullptr);
    if (packet && such(*packet)) return true;
  }
}

bool CapturePass::read(Packet& packet, const std::uint16_t* udp_port) noexcept {
  while (!exhausted_ && counts_.packets < last_) {
    const auto frame = reader_.next();
    if (!frame || !*frame) {
      exhausted_ = true;
      if (!frame) reading_ = std::unexpected(frame.error());
      break;
    }
    ++counts_.frames;
    Found found = packet_in(**frame, reader_.link_type(), udp_port);
    if (found)
      if (const auto why = judge_(*found)) found = std::unexpected(*why);
    if (!found) {
      ++counts_.skipped[static_cast<std::size_t>(found.error())];
      continue;
    }
    packet.offset = kHeadroom;
    packet.length = static_cast<std::uint32_t>(found->esp.size());
    packet.wire = found->wire;
    std::memcpy(packet.data(), found->esp.data(), found->esp.size());
    times_[packet.buffer] = (*frame)->time;
    ++counts_.packets;
    return true;
  }
  return false;
}

void CapturePass::write(Packet& packet) noexcept {
  writer_.write(times_[packet.buffer], packet.view());
  ++counts_.written;
}

std::unique_ptr<PacketPort> make_clear_source(CapturePass& pass) {
  return std::make_unique<Source>(pass, std::nullopt);
}
std::unique_ptr<PacketPort> make_wire_source(CapturePass& pass, std::uint16_t udp_port) {
  return std::make_unique<Source>(pass, udp_port);
}
std::unique_ptr<PacketPort> make_clear_sink(CapturePass& pass) {
  return std::make_unique<Sink>(pass, std::nullopt);
}
std::unique_ptr<PacketPort> make_wire_sink(CapturePass& pass, Encapsulation encapsulation) {
  return std::make_unique<Sink>(pass, encapsulation);
}

}  // namespace espalier::io
