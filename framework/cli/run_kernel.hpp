// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "configuration.hpp"
#include "console.hpp"
#include "run_loop.hpp"

#include <espalier/config.hpp>
#include <espalier/registry.hpp>

#include <memory>

namespace espalier::cli {

// Runs a gateway whose packets flow in the kernel: puts its SAs and policies there, keeps to what
// is read back, and takes out what it has put in when it is stopped. Gives the exit code. `again`
// reads the configuration anew.
int run_kernel(GatewayConfig config, ReadConfiguration again, SecretPool& secrets,
               std::unique_ptr<Registry> registry, const Log& log, const Console& console,
               bool json);

}  // namespace espalier::cli
