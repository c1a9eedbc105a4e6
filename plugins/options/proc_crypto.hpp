// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace espalier {

// Of a backend whose only option is where the kernel's crypto drivers are listed, for tests. Throws
// a Refusal.
inline std::string proc_crypto_option(std::string_view options, const std::string& backend) {
  const auto table = nlohmann::json::parse(options, nullptr, false);
  if (!table.is_object())
    throw sdk::Refusal{ESPALIER_INVALID, "the options of " + backend + " are no JSON object"};
  std::string path = "/proc/crypto";
  for (const auto& [key, value] : table.items()) {
    if (key != "proc_crypto" || !value.is_string())
      throw sdk::Refusal{ESPALIER_INVALID, "the backend " + backend + " has no option " + key};
    path = value.get<std::string>();
  }
  return path;
}

}  // namespace espalier
