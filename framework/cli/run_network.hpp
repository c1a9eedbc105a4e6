// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_loop.hpp"

#include "io/protection.hpp"

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
  std::unique_ptr<io::Protection> rules;  // goes last; none where the kernel takes none
  std::optional<InterfaceSetup> setup;
  std::vector<WorkerPorts> ports;  // one for each worker; given to the engine
  std::vector<std::shared_ptr<const PortCounters>> counters;
};

// Opens the sockets, makes the TUN device, closes the peers' networks to packets in the clear, and
// sets up the device's addresses. The routes to these networks are Reach's.
Result<Network> open_network(const GatewayConfig& config, const Log& log);

}  // namespace espalier::cli
