// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/engine.hpp>
#include <espalier/interface_setup.hpp>
#include <espalier/wire_port.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace espalier::cli {

// Everything that a site needs of the system to move packets. What was made is removed when this
// is destroyed.
struct Network {
  std::optional<InterfaceSetup> setup;
  std::vector<WorkerPorts> ports;  // one for each worker; given to the engine
  std::vector<std::shared_ptr<const PortCounters>> counters;
};

// Opens the sockets, makes the TUN device, and sets up its addresses and the routes to the peers'
// networks.
Result<Network> open_network(const GatewayConfig& config);

}  // namespace espalier::cli
