// SPDX-License-Identifier: Apache-2.0
//
// Two engines joined by memory: what one sends, the other receives. The test holds the clear ends.
#pragma once

#include "io/memory_port.hpp"
#include "unit/esp/packets.hpp"

#include <espalier/engine.hpp>
#include <espalier/registry.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace espalier::test {

// A packet with its memory, for the test's own hands.
struct OwnedPacket {
  explicit OwnedPacket(const Bytes& bytes = {}) : memory(kHeadroom + kMaxPacket + 1 + kTailroom) {
    packet.buffer = memory.data();
    packet.capacity = static_cast<std::uint32_t>(memory.size());
    packet.offset = kHeadroom;
    packet.length = static_cast<std::uint32_t>(bytes.size());
    std::ranges::copy(bytes, packet.data());
  }
  Bytes bytes() const { return {packet.data(), packet.data() + packet.length}; }

  Bytes memory;
  Packet packet;
};

inline bool send(PacketPort& port, const Bytes& bytes) {
  OwnedPacket owned(bytes);
  Packet* one = &owned.packet;
  return port.send({&one, 1}) == 1;
}

inline std::vector<Bytes> receive_all(PacketPort& port) {
  std::vector<Bytes> all;
  OwnedPacket owned;
  for (Packet* one = &owned.packet; port.receive({&one, 1}) == 1;) all.push_back(owned.bytes());
  return all;
}

// The keys of an SA with the bytes 1, 2, 3, …: the same on both ends.
inline SaKeys counting_keys(SecretPool& pool, const Transform& transform) {
  const TransformInfo& info = *transform_info(transform);
  const auto make = [&](std::size_t size, std::uint8_t first) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
    return SecretBytes::copy(pool, bytes).value();
  };
  return {make(info.cipher_key_bytes, 1), make(info.salt_bytes, 101),
          make(info.integrity_key_bytes, 51)};
}

inline SaSpec tunnel_sa(std::string name, Direction direction, std::string_view transform,
                        std::uint32_t spi = 0x1001) {
  SaSpec sa;
  sa.name = std::move(name);
  sa.direction = direction;
  sa.spi = spi;
  sa.transform = find_transform(transform).value()->transform;
  sa.local = {IpAddress::parse("192.0.2.1").value(), 4500};
  sa.peer = {IpAddress::parse("192.0.2.2").value(), 4500};
  for (const auto& [from, to] : {std::pair{"10.1.0.0/16", "10.2.0.0/16"},
                                 std::pair{"fd00:1::/64", "fd00:2::/64"}}) {
    sa.selectors.push_back({IpPrefix::parse(from).value(), IpPrefix::parse(to).value()});
  }
  return sa;
}

// One engine with `workers` workers and the test's ends of its ports.
struct Gate {
  explicit Gate(std::uint32_t workers = 1, EngineOptions options = {}) {
    static constexpr MemoryLink kLink{{}, {}, 4096, 1, 0, 0, 0};
    std::vector<WorkerPorts> ports;
    for (std::uint32_t i = 0; i < workers; ++i) {
      auto [inner, clear_end] = make_memory_ports(kLink);
      auto [outer, wire_end] = make_memory_ports(kLink);
      ports.push_back({std::move(inner), std::move(outer)});
      clear.push_back(std::move(clear_end));
      wire.push_back(std::move(wire_end));
    }
    engine = Engine::create(options, std::move(ports)).value();
  }
  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) {
      for (std::uint32_t w = 0; w < clear.size(); ++w) engine->turn(w);
    }
  }
  std::uint64_t drops(Drop reason) const { return engine->drops()[std::size_t(reason)]; }
  std::uint64_t all_drops() const {
    std::uint64_t sum = 0;
    for (const auto count : engine->drops()) sum += count;
    return sum;
  }
  SaStatus status(std::string_view name) const {
    for (SaStatus& status : engine->status()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no SA named " << name;
    return {};
  }

  std::vector<std::unique_ptr<PacketPort>> clear;  // the test's ends
  std::vector<std::unique_ptr<PacketPort>> wire;
  std::unique_ptr<Engine> engine;
};

// Backends to open sessions on.
struct Bench {
  Bench() : secrets(SecretPool::create().value()) {
    registry = Registry::load({}, *secrets).value();
  }
  Session session(std::string_view backend, const SaSpec& sa, std::string_view device = "cpu") {
    auto open = registry->open(backend, device);
    EXPECT_TRUE(open) << (open ? "" : open.error().message);
    auto session = (*open)->open_session(sa, counting_keys(*secrets, sa.transform));
    EXPECT_TRUE(session) << (session ? "" : session.error().message);
    return std::move(*session);
  }

  std::unique_ptr<SecretPool> secrets;
  std::unique_ptr<Registry> registry;
};

}  // namespace espalier::test
