// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "gateway/control_socket.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>

namespace espalier {

// Sends one request line, without newline, to the gateway at `socket` and gives its reply. A reply
// that is an error comes back as that error. Blocks, but gives up when the gateway has said nothing
// for so long; a long reply comes in parts, each in its own time.
Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& socket,
                                           std::span<const char> line,
                                           std::chrono::milliseconds patience = kControlPatience);
Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& socket,
                                           const nlohmann::json& request);

// The same for a request that is answered by many lines: gives the reply and each later line to
// `take`, until that gives false or the gateway ends, which is no error. Waits for the later ones
// as long as it takes.
Result<void> follow_gateway(const std::filesystem::path& socket, const nlohmann::json& request,
                            const std::function<bool(const nlohmann::ordered_json&)>& take);

}  // namespace espalier
