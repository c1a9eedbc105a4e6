// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "inventory_file.hpp"
#include "plan_sas.hpp"
#include "verbs.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  ConfigOptions config;
  std::filesystem::path inventory;
  bool verbose = false;
  bool json = false;
};

Result<Inventory> this_machine(const GatewayConfig& config, SecretPool& secrets,
                               const Console& console) {
  const auto registry = load_backends(backend_options(config), secrets,
                                      [&](int, std::string_view text) { console.tell(text); });
  if (!registry) return std::unexpected(registry.error());
  Inventory inventory;
  inventory.backends = (*registry)->backends();
  return inventory;
}

int plan(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  auto reading = read_and_tell(options.config, **secrets, console);
  if (!reading.config) return kUsage;
  const auto& config = reading.config;
  const auto specs = sa_specs(*config, "");
  if (!specs) return console.refuse(specs.error());
  const bool saved = !options.inventory.empty();
  auto inventory =
      saved ? saved_inventory(options.inventory) : this_machine(*config, **secrets, console);
  if (!inventory)
    return saved ? console.refuse(inventory.error()) : console.fail(inventory.error());
  if (!tell_names(reading, inventory->backends, saved ? "of the inventory" : "here"))
    return unusable(options.config, console);
  inventory->dataplane = config->dataplane;
  if (auto added = add_last_resort(*inventory, **secrets); !added)
    return console.fail(added.error());
  const auto planned = plan_sas(*specs, std::move(*inventory), config->policy);

  if (options.json)
    console.print_json(plan_json(planned));
  else if (options.verbose)
    for (const PlannedSa& sa : planned) console.print(to_text(sa.decision));
  else
    console.print(render_plan(planned, console.style()));
  const auto homeless = std::ranges::count_if(
      planned, [](const PlannedSa& sa) { return !sa.decision.chosen.has_value(); });
  if (homeless == 0) return kDone;
  console.tell(fmt::format("No backend is left for {} of {} SAs.{}", homeless, planned.size(),
                           options.verbose || options.json ? "" : " --verbose shows why."));
  return kFailed;
}

}  // namespace

void add_plan(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "plan", "Show where each SA of a configuration would go, and why; changes nothing");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  verb->add_option("--inventory", options->inventory,
                   "Plan for the machine of this file, which 'probe --save' wrote");
  verb->add_flag("--verbose,-v", options->verbose, "Every candidate with its sentence");
  verb->add_flag("--json", options->json, "As JSON: the decisions");
  verb->footer(
      "Examples:\n  espalier plan site-to-site.toml --site left\n"
      "  espalier plan site-to-site.toml --site left --inventory other-machine.json");
  verb->callback([=, &console, &exit_code] { exit_code = plan(*options, console); });
}

}  // namespace espalier::cli
