// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

struct TunOptions {
  std::uint32_t queues = 1;  // one for each worker
  // Take and give large TCP and UDP packets, cut and joined by the port, where the kernel has it
  // (vnet_hdr). Without, each packet is a system call.
  bool offloads = true;
};

// Makes the TUN device `name` and opens its queues; the device vanishes with the last of them.
// Inner packets are raw IP. The device is down and without addresses: see InterfaceSetup. A name
// that any interface already has is refused.
Result<std::vector<std::unique_ptr<PacketPort>>> open_tun(const std::string& name,
                                                          const TunOptions& options = {});

// What the kernel asks of an interface name: 1 to 15 bytes, no '/', '%', ':' or blank.
Result<void> validate_interface_name(const std::string& name);

}  // namespace espalier
