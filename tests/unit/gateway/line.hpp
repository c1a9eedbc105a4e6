// SPDX-License-Identifier: Apache-2.0
//
// A gateway under test and a peer that does everything with openssl, one SA each way, and a wire
// between them on which every packet is looked at.
#pragma once

#include <espalier/gateway.hpp>

#include "unit/esp/two_gateways.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::test {

struct LineBackend {
  std::string name;
  const espalier_plugin_entry* entry;
  std::string options = "{}";
};

class Line {
 public:
  // The backends of the gateway under test, in the policy's order; then openssl.
  explicit Line(std::vector<LineBackend> backends) {
    backends.push_back({"openssl", &espalier_plugin_openssl});
    left_.start(backends);
    right_.start({backends.back()});
  }

  // Packets both ways, in turns of 20, until so many went in at either end; then what is left in
  // devices comes out. No time passes for the engine meanwhile, so that a slow machine is no stall.
  void carry(std::size_t packets) {
    for (std::size_t sent = 0; sent < packets; sent += 20) carry_some();
    settle();
  }

  // Traffic until the SAs have moved to openssl, while time passes: a device that holds packets
  // back is given up after half a second.
  void carry_until_moved() {
    for (int i = 0; i < 2000 && home("out") != "openssl"; ++i) {
      carry_some();
      *left_.engine_ms += 10;
    }
    settle();
  }

  // Nothing that went onto the wire had a number of before, nothing was delivered that was not
  // sent, and what did not arrive was counted as dropped, once.
  void expect_honest() {
    EXPECT_EQ(repeated_, 0u) << "law 1: a sequence number went out twice, or went back";
    EXPECT_LE(left_.delivered, right_.on_wire);
    EXPECT_EQ(right_.delivered, left_.on_wire - corrupt());
    EXPECT_EQ(left_.status("out").packets, left_.on_wire) << "law 8";
    EXPECT_EQ(left_.status("in").packets, left_.delivered) << "law 8";
    EXPECT_EQ(missing(), left_.gate.all_drops());
  }
  // What the peer found to be forged: a device that corrupts looks like that.
  std::uint64_t corrupt() const { return right_.gate.drops(Drop::in_bad_icv); }

  std::string home(std::string_view sa) { return left_.status(sa).backend; }
  std::uint64_t moves(std::string_view sa) { return left_.status(sa).moves; }
  std::uint64_t drops(Drop reason) const { return left_.gate.drops(reason); }
  std::uint64_t drops() const { return left_.gate.all_drops(); }
  std::uint64_t sent() const { return sent_; }  // each way
  std::uint64_t delivered() const { return right_.delivered; }
  const std::vector<GatewayEvent>& events() const { return events_; }
  Registry& registry() { return *left_.bench.registry; }

 private:
  struct Side {
    using Milliseconds = std::shared_ptr<std::atomic<std::int64_t>>;
    Milliseconds engine_ms = std::make_shared<std::atomic<std::int64_t>>(1000);
    Bench bench;
    Gate gate{1, EngineOptions{.clock = [ms = engine_ms] {
                return std::chrono::steady_clock::time_point(std::chrono::milliseconds(*ms));
              }}};
    std::chrono::steady_clock::time_point now{std::chrono::hours(1)};  // of the placer
    std::unique_ptr<Placer> placer;
    std::unique_ptr<Gateway> gateway;
    std::uint64_t on_wire = 0, delivered = 0;
    std::uint32_t last_number = 0;

    void start(const std::vector<LineBackend>& backends) {
      Policy policy;
      for (const auto& backend : backends) {
        const auto added =
            bench.registry->add_builtin(backend.name, *backend.entry, backend.options);
        EXPECT_TRUE(added) << added.error().message;
        policy.backends.push_back(backend.name);
      }
      placer = std::make_unique<Placer>(*bench.registry, policy, [this] { return now; });
      gateway = std::make_unique<Gateway>(*bench.registry, *placer, *gate.engine,
                                          [](int, std::string_view) {});
      const bool is_left = backends.size() > 1;
      add(is_left ? "out" : "in", is_left ? Direction::outbound : Direction::inbound, 0x1001);
      add(is_left ? "in" : "out", is_left ? Direction::inbound : Direction::outbound, 0x2001);
    }
    void add(const char* name, Direction direction, std::uint32_t spi) {
      SaSpec sa = tunnel_sa(name, direction, "aes256gcm16", spi);
      if (spi == 0x2001) {
        for (auto& selector : sa.selectors) std::swap(selector.source, selector.destination);
      }
      const auto byte = static_cast<std::uint8_t>(spi >> 12);
      SaKeys keys{SecretBytes::copy(*bench.secrets, Bytes(32, byte)).value(),
                  SecretBytes::copy(*bench.secrets, Bytes(4, byte)).value(),
                  {}};
      const auto added = gateway->add(sa, std::move(keys));
      EXPECT_TRUE(added) << added.error().message;
    }
    SaStatus status(std::string_view sa) const { return gateway->find(sa)->status; }
  };

  static std::uint32_t number_of(const Bytes& packet) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i < 8; ++i) number = number << 8 | packet[i];
    return number;
  }
  // What went into the gateway under test at one end and did not come out at the other.
  std::uint64_t missing() const {
    return (sent_ - left_.on_wire) + (right_.on_wire - left_.delivered);
  }
  // Until every packet has come out or was dropped, or 20 s are over.
  void settle() {
    turns(10);
    for (int i = 0; i < 200'000 && missing() != left_.gate.all_drops(); ++i) turns(1);
    turns(10);
  }
  void carry_some() {
    for (std::size_t i = 0; i < 20; ++i) {
      ++sent_;
      EXPECT_TRUE(send(*left_.gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", next_length())));
      EXPECT_TRUE(send(*right_.gate.clear[0], udp_packet("10.2.0.1", "10.1.0.1", next_length())));
    }
    turns(8);
  }
  std::size_t next_length() { return 20 + sent_ * 7 % 900; }

  void turns(int times) {
    for (int i = 0; i < times; ++i) {
      left_.gate.turn();
      right_.gate.turn();
      cross(left_, right_);
      cross(right_, left_);
      for (Side* side : {&left_, &right_})
        side->delivered += receive_all(*side->gate.clear[0]).size();
      for (auto& event : left_.gateway->tend()) events_.push_back(std::move(event));
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void cross(Side& from, Side& to) {
    for (const Bytes& packet : receive_all(*from.gate.wire[0])) {
      ++from.on_wire;
      repeated_ += number_of(packet) <= from.last_number;
      from.last_number = number_of(packet);
      EXPECT_TRUE(send(*to.gate.wire[0], packet));
    }
  }

  Side left_, right_;
  std::uint64_t sent_ = 0, repeated_ = 0;
  std::vector<GatewayEvent> events_;
};

}  // namespace espalier::test
