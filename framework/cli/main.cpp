// SPDX-License-Identifier: Apache-2.0
#include "harden.hpp"
#include "usage.hpp"
#include "verbs.hpp"

#include "model/nearest_name.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {
namespace {

// A sentence if the first argument was meant as a verb and is none.
std::string complaint_about_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || *argv[1] == '-') return {};
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
  if (std::ranges::find(names, argv[1]) != names.end()) return {};
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string hint = did_you_mean(known, argv[1]);
  return fmt::format("There is no verb '{}'{} 'espalier --help' lists them.", argv[1],
                     hint.empty() ? "." : hint);
}

int run_command(int argc, char** argv) {
  const Console console;
  // The gateway, which lives long, also says what could not be locked.
  if (const auto hardened = harden_process(); !hardened) return console.fail(hardened.error());
  CLI::App app("Puts every IPsec SA on the best accelerator that can take it, and says why.",
               "espalier");
  app.require_subcommand(1);
  app.set_version_flag("--version", version_line(), "Say which version this is");
  app.footer(
      "'espalier VERB --help' has examples. Exit codes: 0 done, 1 what was asked failed, 2 "
      "bad usage or configuration.");
  int exit_code = kDone;
  for (const auto add : {add_run, add_adopt, add_check, add_plan, add_probe, add_conform,
                         add_capdiff, add_keygen, add_sa, add_esp, add_status, add_explain,
                         add_events, add_stop, add_tune, add_transforms, add_version})
    add(app, console, exit_code);
  if (const auto complaint = complaint_about_verb(app, argc, argv); !complaint.empty()) {
    console.tell(complaint);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return console.end(app.exit(error));  // --help, --version
    console.tell(usage_mistake(app, error));
    return kUsage;
  } catch (const std::exception& error) {
    console.tell(fmt::format("Something that should not happen did: {}", error.what()));
    return kFailed;
  }
  return console.end(exit_code);
}

}  // namespace
}  // namespace espalier::cli

int main(int argc, char** argv) {
  espalier::cli::become_conform_case(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  return espalier::cli::run_command(argc, argv);
}
