// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>
#include <string>

int main(int argc, char** argv) {
  using namespace espalier::cli;
  std::signal(SIGPIPE, SIG_IGN);
  const Console console;
  CLI::App app("Puts every IPsec SA on the best accelerator that can take it, and says why.",
               "espalier");
  app.require_subcommand(1);
  app.footer(
      "'espalier VERB --help' has examples. Exit codes: 0 done, 1 what was asked failed, 2 "
      "bad usage or configuration.");
  int exit_code = kDone;
  for (const auto add : {add_run, add_check, add_plan, add_probe, add_keygen, add_sa, add_status,
                         add_explain, add_transforms, add_version})
    add(app, console, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;  // --help is not an error
  } catch (const std::exception& error) {
    console.tell(std::string("Something that should not happen did: ") + error.what());
    return kFailed;
  }
  return exit_code;
}
