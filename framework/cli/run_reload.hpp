// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "configuration.hpp"
#include "run_loop.hpp"

#include "gateway/reach.hpp"

#include <espalier/config.hpp>
#include <espalier/registry.hpp>

#include <functional>
#include <string>
#include <vector>

namespace espalier::cli {

// The parts of a run that follow its configuration.
struct Running {
  GatewayConfig& config;  // as it is followed now
  SaControl& gateway;
  Placer& placer;
  SecretPool& secrets;
  const Log& log;
  Reach* reach = nullptr;  // none in the kernel's dataplane: routes are the machine's own
  // By which interface an SA's packets leave, where its device depends on it.
  std::function<std::string(const SaSpec&)> path{};
};

// What SIGHUP asks for: makes the gateway follow what was read anew, and leaves the SAs of
// unchanged tunnels alone. False: nothing was changed, and why was logged. Where no device took a
// new SA after all, that is logged; its tunnel keeps its routes, carries nothing, and is tried
// again by the next reload. [control]
bool follow(const Running& running, ConfigReading reading,
            const std::vector<BackendInfo>& backends);

}  // namespace espalier::cli
