// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "verbs.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  ConfigOptions config;
  bool json = false;
};

int check(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  ConfigReading reading = read_config(options.config.file, **secrets, options.config.overrides);
  judge_names_here(reading, **secrets);
  if (options.json) {
    console.print_json({{"file", options.config.file.native()},
                        {"usable", reading.config.has_value()},
                        {"findings", findings_json(reading.findings)}});
  } else {
    for (const Diagnostic& finding : reading.findings) console.print(to_string(finding) + '\n');
    if (reading.config)
      console.print(fmt::format("{}: {}, {}: {}\n", options.config.file.native(),
                                counted(reading.config->sites.size(), "site"),
                                counted(reading.config->tunnels.size(), "tunnel"),
                                reading.config->sites.empty() ? "nothing to run" : "good"));
  }
  return reading.config ? kDone : kUsage;
}

}  // namespace

void add_check(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("check", "Lint a configuration: every finding at once");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "Examples:\n  espalier check site-to-site.toml\n  espalier check --json gw.toml\n"
      "  espalier check -  (what comes on standard input)");
  verb->callback([=, &console, &exit_code] { exit_code = check(*options, console); });
}

}  // namespace espalier::cli
