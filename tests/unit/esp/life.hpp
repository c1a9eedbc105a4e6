// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "unit/esp/two_gateways.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::esp {

using namespace test;
using Kind = EngineEvent::Kind;

// A wire of which the test says where packets come from and what the system reports.
class ScriptedWire final : public PacketPort {
 public:
  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    std::size_t n = 0;
    for (; n < packets.size() && !arriving.empty(); ++n) {
      const auto& [bytes, from] = arriving.front();
      packets[n]->offset = kHeadroom;
      packets[n]->length = static_cast<std::uint32_t>(bytes.size());
      std::ranges::copy(bytes, packets[n]->data());
      packets[n]->wire.peer = from;
      packets[n]->wire.tos = 0;
      arriving.erase(arriving.begin());
    }
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    for (const Packet* packet : packets) {
      sent.emplace_back(Bytes(packet->view().begin(), packet->view().end()), packet->wire);
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }
  std::optional<PathMtu> take_path_mtu() noexcept override {
    return std::exchange(narrower, std::nullopt);
  }

  std::vector<std::pair<Bytes, Endpoint>> arriving;
  std::vector<std::pair<Bytes, WireAddress>> sent;
  std::optional<PathMtu> narrower;
};

class LifeTest : public testing::Test {
 protected:
  LifeTest() {
    EXPECT_TRUE(bench_.registry->add_builtin("openssl", espalier_plugin_openssl));
    auto wire = std::make_unique<ScriptedWire>();
    wire_ = wire.get();
    auto [inner, clear_end] = make_memory_ports({{}, {}, 4096, 1, 0, 0, 0});
    clear_ = std::move(clear_end);
    std::vector<WorkerPorts> ports;
    ports.push_back({std::move(inner), std::move(wire)});
    engine_ = Engine::create({.clock = [now = now_] { return *now; },
                              .before_follow =
                                  [this](const Endpoint& made_for, const Endpoint& now) {
                                    return before_follow_(made_for, now);
                                  }},
                             std::move(ports))
                  .value();
  }
  SaSpec add(Direction direction, const std::function<void(SaSpec&)>& change = {}) {
    const bool out = direction == Direction::outbound;
    SaSpec sa = tunnel_sa(out ? "out" : "in", direction, "aes256gcm16", out ? 0x1001 : 0x2001);
    if (!out) std::swap(sa.selectors[0].source, sa.selectors[0].destination);
    if (change) change(sa);
    EXPECT_TRUE(engine_->add(sa, bench_.session("openssl", sa)));
    return sa;
  }
  // Packets that went out of `n` that were given.
  std::size_t carried(std::size_t n, std::size_t payload = 72) {
    const std::size_t before = wire_->sent.size();
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(send(*clear_, udp_packet("10.1.0.1", "10.2.0.1", payload)));
    }
    for (std::size_t i = 0; i <= n / 64; ++i) engine_->turn(0);
    return wire_->sent.size() - before;
  }
  std::uint64_t drops(Drop reason) const { return engine_->drops()[std::size_t(reason)]; }
  std::vector<Kind> kinds() {
    std::vector<Kind> all;
    for (const EngineEvent& event : engine_->take_events()) all.push_back(event.kind);
    return all;
  }
  // An ESP packet from the peer for SA "in".
  Bytes from_peer(std::uint32_t number) {
    if (!peer_) {
      peer_ = std::make_unique<Gate>();
      SaSpec sa = tunnel_sa("peer", Direction::outbound, "aes256gcm16", 0x2001);
      std::swap(sa.selectors[0].source, sa.selectors[0].destination);
      EXPECT_TRUE(peer_->engine->add(sa, bench_.session("openssl", sa)));
    }
    Bytes packet;
    while (peer_->status("peer").sequence < number) {
      EXPECT_TRUE(send(*peer_->clear[0], udp_packet("10.2.0.1", "10.1.0.1", 20)));
      peer_->turn();
      packet = receive_all(*peer_->wire[0]).at(0);
    }
    return packet;
  }
  static Endpoint endpoint(const char* address, std::uint16_t port) {
    return {IpAddress::parse(address).value(), port};
  }

  std::shared_ptr<std::chrono::steady_clock::time_point> now_ =
      std::make_shared<std::chrono::steady_clock::time_point>(std::chrono::hours(1));
  std::function<Result<void>(const Endpoint&, const Endpoint&)> before_follow_ =
      EngineOptions().before_follow;
  Bench bench_;
  std::unique_ptr<Gate> peer_;
  ScriptedWire* wire_ = nullptr;
  std::unique_ptr<PacketPort> clear_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace espalier::esp
