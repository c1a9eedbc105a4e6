// SPDX-License-Identifier: Apache-2.0
//
// One function a verb: adds it with its options to the command line. The verb sets `exit_code`
// when it has run.
#pragma once

#include "console.hpp"

#include <string>

namespace CLI {
class App;
}

namespace espalier::cli {

void add_run(CLI::App& app, const Console& console, int& exit_code);
void add_adopt(CLI::App& app, const Console& console, int& exit_code);
void add_check(CLI::App& app, const Console& console, int& exit_code);
void add_plan(CLI::App& app, const Console& console, int& exit_code);
void add_probe(CLI::App& app, const Console& console, int& exit_code);
void add_conform(CLI::App& app, const Console& console, int& exit_code);
void add_capdiff(CLI::App& app, const Console& console, int& exit_code);
void add_keygen(CLI::App& app, const Console& console, int& exit_code);
void add_sa(CLI::App& app, const Console& console, int& exit_code);
void add_esp(CLI::App& app, const Console& console, int& exit_code);
void add_status(CLI::App& app, const Console& console, int& exit_code);
void add_explain(CLI::App& app, const Console& console, int& exit_code);
void add_events(CLI::App& app, const Console& console, int& exit_code);
void add_stop(CLI::App& app, const Console& console, int& exit_code);
void add_tune(CLI::App& app, const Console& console, int& exit_code);
void add_transforms(CLI::App& app, const Console& console, int& exit_code);
void add_version(CLI::App& app, const Console& console, int& exit_code);

// Does not return in a process that `conform` has started to run one case.
void become_conform_case(int argc, char** argv);

std::string version_line();  // what `version` and --version say, without newline

}  // namespace espalier::cli
