// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <nlohmann/json.hpp>

#include <string_view>

namespace espalier {

// The SA of a request: members that are missing keep the value that `sa` has. Unknown members,
// wrong types and values are refused with a sentence for each that names the member, and all others
// are taken; whether the SA as a whole makes sense is for validate().
Result<void> sa_from_json(const nlohmann::json& value, SaSpec& sa);

// "192.0.2.1:4500", "[2001:db8::1]:4500"; without a port: `default_port`.
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);

}  // namespace espalier
