// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace espalier {

// How a pair of memory ports treats packets. The rates are per mille and decided by a generator
// that starts at `seed`: the same calls in the same order give the same outcome.
struct MemoryLink {
  Endpoint first;               // of the first port: seen as the peer by the second
  Endpoint second;              // of the second port
  std::size_t capacity = 1024;  // packets queued each way; what does not fit is not sent
  std::uint64_t seed = 1;
  std::uint32_t loss = 0;
  std::uint32_t duplicate = 0;
  std::uint32_t reorder = 0;  // overtaken by what is queued behind it
};

using MemoryPorts = std::pair<std::unique_ptr<PacketPort>, std::unique_ptr<PacketPort>>;

// A pipe of packets within the process: what one port sends, the other receives. A packet that is
// lost on the way counts as sent. Each port is owned by one worker; the two may be on different
// threads. The descriptor is readable while something is queued.
MemoryPorts make_memory_ports(const MemoryLink& link = {});

}  // namespace espalier
