// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace espalier {

struct WireOptions {
  Endpoint local;                          // of the outer header; the port is ignored by open_raw
  std::uint32_t workers = 1;               // sockets; an ESP packet reaches that of worker_of(SPI)
  std::uint32_t socket_buffer = 8u << 20;  // bytes; cut by the kernel without CAP_NET_ADMIN
  // UDP: packets of equal length to one peer cross the kernel as one message, both ways (GSO, GRO).
  // Given up, and counted, when the path refuses it.
  bool offloads = true;
};

// What arrived at the sockets and was no ESP packet, and what they did not take. Shared by all
// workers' ports; any thread may read. Packets themselves are counted by the engine.
struct PortCounters {
  std::atomic<std::uint64_t> keepalives{0};      // RFC 3948 2.3: one byte 0xff
  std::atomic<std::uint64_t> ike{0};             // RFC 3948 2.2: non-ESP marker; dropped
  std::atomic<std::uint64_t> runts{0};           // too short to be ESP
  std::atomic<std::uint64_t> truncated{0};       // longer than a buffer
  std::atomic<std::uint64_t> receive_errors{0};  // reported by the system, ICMP's among them
  std::atomic<std::uint64_t> too_big{0};         // not sent: over the path MTU with DF set
  std::atomic<std::uint64_t> send_errors{0};     // not sent: anything else
  // Sockets that send packets one by one, because the system refused to cut large messages.
  std::atomic<std::uint64_t> segmentation_refused{0};
};

struct WirePorts {
  std::vector<std::unique_ptr<PacketPort>> ports;  // one for each worker
  std::shared_ptr<const PortCounters> counters;
};

// The worker that owns an inbound SA: where the kernel steers its packets to.
constexpr std::uint32_t worker_of(std::uint32_t spi, std::uint32_t workers) noexcept {
  return spi % workers;
}

// UDP-encapsulated ESP (RFC 3948) on one local endpoint. The endpoint is refused when any other
// program has it, another Espalier included.
Result<WirePorts> open_udp(const WireOptions& options);

// ESP as IP protocol 50 on raw sockets; needs CAP_NET_RAW.
Result<WirePorts> open_raw(const WireOptions& options);

}  // namespace espalier
