// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "inventory_file.hpp"
#include "plan_sas.hpp"
#include "verbs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  ConfigOptions config;
  std::filesystem::path inventory;
  bool json = false;
};

// "a, b, c and 9 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 8;
  const std::size_t shown = std::min(names.size(), kMost);
  const auto text = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  return shown == names.size() ? text : fmt::format("{} and {} more", text, names.size() - shown);
}

// What was found, as people see it and as JSON. `homeless` are SAs without a place on the machine
// of the inventory, if one was named.
void tell(const Options& options, const ConfigReading& reading,
          const std::vector<std::string>& homeless, const Console& console) {
  const std::string& file = options.config.file.native();
  if (options.json) {
    return console.print_json({{"file", file},
                               {"usable", reading.config.has_value()},
                               {"findings", findings_json(reading.findings)},
                               {"homeless", homeless}});
  }
  for (const Diagnostic& finding : reading.findings) console.print(to_string(finding) + '\n');
  if (!reading.config) return;
  if (!homeless.empty())
    return console.print(fmt::format(
        "{}: on the machine of '{}' no backend is left for {}: {}; 'espalier plan' "
        "with --verbose shows why\n",
        file, options.inventory.native(), counted(homeless.size(), "SA"), some_of(homeless)));
  console.print(fmt::format("{}: {}, {}: {}\n", file, counted(reading.config->sites.size(), "site"),
                            counted(reading.config->tunnels.size(), "tunnel"),
                            reading.config->sites.empty() ? "nothing to run" : "good"));
}

// Names are judged by the backends of this machine.
int check_here(const Options& options, ConfigReading reading, SecretPool& secrets,
               const Console& console) {
  judge_names_here(reading, options.config.file, secrets);
  tell(options, reading, {}, console);
  return reading.config ? kDone : kUsage;
}

// Names, and whether each SA finds a place, by those of another one.
int check_there(const Options& options, ConfigReading reading, SecretPool& secrets,
                const Console& console) {
  auto machine = saved_inventory(options.inventory);
  if (!machine) return console.refuse(machine.error());
  judge_names(reading, machine->backends, "of the inventory");
  put_in_order(reading.findings);
  std::vector<std::string> homeless;
  if (reading.config) {
    const auto specs = sa_specs(*reading.config, "");
    if (!specs) return console.refuse(specs.error());
    machine->dataplane = reading.config->dataplane;
    if (auto added = add_last_resort(*machine, secrets); !added) return console.fail(added.error());
    for (const PlannedSa& sa : plan_sas(*specs, std::move(*machine), reading.config->policy))
      if (!sa.decision.chosen) homeless.push_back(sa.spec.name);
  }
  tell(options, reading, homeless, console);
  return !reading.config ? kUsage : homeless.empty() ? kDone : kFailed;
}

int check(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  ConfigReading reading = read_config(options.config.file, **secrets, options.config.overrides);
  return options.inventory.empty() ? check_here(options, std::move(reading), **secrets, console)
                                   : check_there(options, std::move(reading), **secrets, console);
}

}  // namespace

void add_check(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("check", "Lint a configuration: every finding at once");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  verb->add_option("--inventory", options->inventory,
                   "Also see whether each SA finds a place on the machine of this file, which "
                   "'probe --save' wrote");
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "Examples:\n  espalier check site-to-site.toml\n  espalier check --json gw.toml\n"
      "  espalier check gw.toml --inventory other-machine.json\n"
      "  espalier check -  (what comes on standard input)");
  verb->callback([=, &console, &exit_code] { exit_code = check(*options, console); });
}

}  // namespace espalier::cli
