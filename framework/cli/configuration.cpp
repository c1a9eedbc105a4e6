// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"

#include "model/escaped.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdio>
#include <span>

namespace espalier::cli {
namespace {

void tell(std::span<const Diagnostic> findings) {
  for (const Diagnostic& finding : findings)
    Console::write_error(escaped(to_string(finding), "\n") + '\n');
}

}  // namespace

void add_config_options(CLI::App& verb, ConfigOptions& options) {
  verb.add_option("CONFIG", options.file, "The configuration, a TOML file")->required();
  verb.add_option("--site", options.overrides.site, "Which of its sites this machine is");
}

ConfigReading read_and_tell(const ConfigOptions& options, SecretPool& secrets,
                            const Console& console) {
  ConfigReading reading = read_config(options.file, secrets, options.overrides);
  if (!reading.config) judge_names_here(reading, options.file, secrets);
  tell(reading.findings);
  if (!reading.config) unusable(options, console);
  return reading;
}

std::optional<GatewayConfig> configuration(const ConfigOptions& options, SecretPool& secrets,
                                           const Console& console) {
  return read_and_tell(options, secrets, console).config;
}

bool tell_names(ConfigReading& reading, const std::vector<BackendInfo>& backends,
                std::string_view where) {
  const auto told = static_cast<std::ptrdiff_t>(reading.findings.size());
  judge_names(reading, backends, where);
  tell({reading.findings.begin() + told, reading.findings.end()});
  return reading.config.has_value();
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
