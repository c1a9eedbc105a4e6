// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "inventory_file.hpp"
#include "verbs.hpp"

#include "observe/render.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  std::filesystem::path config;
  std::vector<std::filesystem::path> folders;
  std::filesystem::path save;
  bool json = false;
};

int probe(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  BackendOptions wanted;
  if (!options.config.empty()) {
    const auto config = configuration({options.config, {}}, **secrets, console);
    if (!config) return kUsage;
    wanted = backend_options(*config);
  }
  if (!options.folders.empty()) wanted.folders = options.folders;
  wanted.dataplane = Dataplane::kernel;  // what either dataplane has: the machine has both
  const auto registry =
      load_backends(wanted, **secrets, [&](int, std::string_view text) { console.tell(text); });
  if (!registry) return console.fail(registry.error());
  Inventory inventory;
  inventory.backends = (*registry)->backends();
  if (options.json)
    console.print(to_json(inventory));
  else
    console.print(render_inventory(inventory, console.style()));
  if (options.save.empty()) return kDone;
  const auto saved = save_inventory(options.save, inventory);
  return saved ? kDone : console.fail(saved.error());
}

}  // namespace

void add_probe(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "probe", "List backends, their devices and what these can do, and rejected plugins with why");
  const auto options = std::make_shared<Options>();
  verb->add_option("CONFIG", options->config,
                   "A configuration: its plugin folders and options of backends are taken");
  verb->add_option("--plugins", options->folders, "A folder of plugins; may be repeated");
  verb->add_option("--save", options->save, "Also write the inventory to a file, for 'plan'");
  verb->add_flag("--json", options->json, "As JSON: the form that --save writes");
  verb->footer(
      "Examples:\n  espalier probe\n  espalier probe site-to-site.toml\n"
      "  espalier probe --save this-machine.json");
  verb->callback([=, &console, &exit_code] { exit_code = probe(*options, console); });
}

}  // namespace espalier::cli
