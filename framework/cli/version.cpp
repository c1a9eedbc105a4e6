// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {

std::string version_line() {
  return fmt::format("espalier {}, plugin ABI {}.{}", ESPALIER_VERSION, ESPALIER_ABI_MAJOR,
                     ESPALIER_ABI_MINOR);
}

void add_version(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("version", "Say which version this is");
  const auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "As JSON");
  verb->footer("Example:\n  espalier version");
  verb->callback([=, &console, &exit_code] {
    if (*json)
      console.print_json(
          {{"version", ESPALIER_VERSION},
           {"plugin_abi", fmt::format("{}.{}", ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR)}});
    else
      console.print(version_line() + '\n');
    exit_code = kDone;
  });
}

}  // namespace espalier::cli
