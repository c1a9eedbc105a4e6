// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <span>

namespace espalier {

// Sends one request line, without newline, to the gateway at `socket` and gives its reply. A reply
// that is an error comes back as that error. Blocks, for at most half a minute.
Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& socket,
                                           std::span<const char> line);
Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& socket,
                                           const nlohmann::json& request);

}  // namespace espalier
