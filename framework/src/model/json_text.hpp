// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace espalier {

// JSON for people and for diffs: keys in the order in which they were set, values that fit within
// 100 columns on one line, a final newline. Bytes that are not UTF-8 are replaced.
std::string json_text(const nlohmann::ordered_json& value);

}  // namespace espalier
