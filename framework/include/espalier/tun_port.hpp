// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/packet.hpp>
#include <espalier/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

// Makes the TUN device `name` and opens one queue of it for each worker; the device vanishes with
// its last queue. Inner packets are raw IP. The device is down and without addresses: see
// InterfaceSetup. A name that any interface already has is refused.
Result<std::vector<std::unique_ptr<PacketPort>>> open_tun(const std::string& name,
                                                          std::uint32_t queues);

// What the kernel asks of an interface name: 1 to 15 bytes, no '/', '%', ':' or blank.
Result<void> validate_interface_name(const std::string& name);

}  // namespace espalier
