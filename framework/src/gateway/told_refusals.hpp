// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <optional>
#include <string_view>

namespace espalier {

// Which devices that come before the one that took the SA have refused it, and in which words.
std::optional<GatewayEvent> told_of_refusals(std::string_view sa, const Decision& decision);

}  // namespace espalier
