// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>

namespace espalier::cli {

void add_config_options(CLI::App& verb, ConfigOptions& options) {
  verb.add_option("CONFIG", options.file, "The configuration, a TOML file")->required();
  verb.add_option("--site", options.overrides.site, "Which of its sites this machine is");
}

std::optional<GatewayConfig> configuration(const ConfigOptions& options, SecretPool& secrets,
                                           const Console& console) {
  ConfigReading reading = read_config(options.file, secrets, options.overrides);
  for (const Diagnostic& finding : reading.findings) fmt::print(stderr, "{}\n", to_string(finding));
  if (!reading.config) unusable(options, console);
  return std::move(reading.config);
}

int unusable(const ConfigOptions& options, const Console& console) {
  console.tell(fmt::format("'{}' is not a usable configuration.", options.file.native()));
  return kUsage;
}

nlohmann::ordered_json findings_json(const std::vector<Diagnostic>& findings) {
  auto list = nlohmann::ordered_json::array();
  for (const Diagnostic& finding : findings)
    list.push_back({{"file", finding.file.native()},
                    {"line", finding.line},
                    {"column", finding.column},
                    {"severity", finding.severity == Severity::error ? "error" : "warning"},
                    {"message", finding.message}});
  return list;
}

}  // namespace espalier::cli
