// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_loop.hpp"

#include "gateway/reach.hpp"

#include <espalier/config.hpp>

namespace espalier::cli {

// The parts of a run that follow its configuration.
struct Running {
  GatewayConfig& config;  // as it is followed now
  Gateway& gateway;
  Placer& placer;
  Reach& reach;
  SecretPool& secrets;
  const Log& log;
};

// Makes the gateway follow `wanted` and leaves the SAs of unchanged tunnels alone. An error has
// changed nothing. Where no device took a new SA after all, that is logged; its tunnel keeps its
// routes, carries nothing, and is tried again by the next reload. [control]
Result<void> reload(const Running& running, GatewayConfig wanted);

}  // namespace espalier::cli
