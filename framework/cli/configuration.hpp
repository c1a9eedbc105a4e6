// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include "backends.hpp"
#include "console.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace espalier::cli {

// The options that every verb with a configuration has.
struct ConfigOptions {
  std::filesystem::path file;
  ConfigOverrides overrides;
};
void add_config_options(CLI::App& verb, ConfigOptions& options);

// Reads the configuration and tells all its findings; its config is nothing if there is an error
// among them.
ConfigReading read_and_tell(const ConfigOptions& options, SecretPool& secrets,
                            const Console& console);
using ReadConfiguration = std::function<ConfigReading()>;  // does that
// The same where the names of backends do not matter.
std::optional<GatewayConfig> configuration(const ConfigOptions& options, SecretPool& secrets,
                                           const Console& console);
// For a reading that was told: tells what its names of backends are when these are there. False,
// and no config, if one of them is misspelt.
bool tell_names(ConfigReading& reading, const std::vector<BackendInfo>& backends,
                std::string_view where = "here");

// Says that the file is of no use, for the reasons that were told.
int unusable(const ConfigOptions& options, const Console& console);

nlohmann::ordered_json findings_json(const std::vector<Diagnostic>& findings);

}  // namespace espalier::cli
