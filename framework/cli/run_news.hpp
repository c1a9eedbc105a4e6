// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_loop.hpp"

namespace espalier::cli {

// Every second of a gateway in the kernel: what its SAs have carried is measured, what came of that
// is logged, and it and `events`, which are logged already, go to those who follow. [control]
void tell_news(std::vector<GatewayEvent> events, Monitor& monitor, ControlService& service,
               ControlServer& server, const Log& log);

}  // namespace espalier::cli
