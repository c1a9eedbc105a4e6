// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"
#include "verbs.hpp"

#include <espalier/key_file.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  ConfigOptions config;
  std::filesystem::path folder;
  bool json = false;
};

int keygen(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  const auto config = configuration(options.config, **secrets, console);
  if (!config) return kUsage;
  const auto folder = options.folder.empty() ? config->key_folder : options.folder;
  const auto files = generate_key_files(*config, folder, **secrets);
  if (!files) return console.fail(files.error());
  if (options.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& file : *files) list.push_back(file.native());
    console.print_json({{"files", list}});
  } else {
    for (const auto& file : *files) console.print(file.native() + '\n');
  }
  return kDone;
}

}  // namespace

void add_keygen(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "keygen",
      "Make fresh one-time key files, one for each site; bring each to its site in secret");
  const auto options = std::make_shared<Options>();
  verb->add_option("CONFIG", options->config.file, "The configuration, a TOML file")->required();
  verb->add_option("--site", options->config.overrides.site,
                   "Whose key_folder is meant where the configured one has {site} in it");
  verb->add_option("--out", options->folder, "Folder for the files; default: as configured");
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "A file serves one run: 'run' claims it, and a second start with it is refused.\n"
      "Example:\n  espalier keygen site-to-site.toml --out keys");
  verb->callback([=, &console, &exit_code] { exit_code = keygen(*options, console); });
}

}  // namespace espalier::cli
