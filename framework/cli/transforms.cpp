// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include "observe/render.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {

void add_transforms(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("transforms", "List the transforms that an SA may have");
  const auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "As JSON");
  verb->footer(
      "Lengths are in bytes; KEY is what cipher and integrity take together.\n"
      "Example:\n  espalier transforms");
  verb->callback([=, &console, &exit_code] {
    if (*json)
      console.print_json(transforms_json());
    else
      console.print(render_transforms(console.style()));
    exit_code = kDone;
  });
}

}  // namespace espalier::cli
