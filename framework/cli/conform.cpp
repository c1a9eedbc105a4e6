// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <espalier/abi.h>
#include <conform/runner.hpp>
#include <conform/worker.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::cli {
namespace {

struct ConformOptions {
  conform::Options run;
  std::filesystem::path profile;
  std::filesystem::path html;
  bool json = false;
  bool list = false;
  bool requirements = false;
};

Result<void> write_html(const std::filesystem::path& file, const conform::Score& score) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << conform::html_of(score);
  out.close();
  if (out) return {};
  return fail(ErrorCode::io, fmt::format("The report cannot be written to '{}': {}.", file.native(),
                                         std::generic_category().message(errno)));
}

void list_cases(const Console& console) {
  TextTable table({"CASE", "FOR EACH", "WHAT"});
  constexpr const char* kScopes[] = {"plugin", "userspace device", "capability", "kernel device"};
  table.add({"file", kScopes[0], "The file, before any of its code runs."});
  for (const conform::Case& each : conform::all_cases())
    table.add({std::string(each.name), kScopes[static_cast<std::size_t>(each.scope)],
               std::string(each.what)});
  table.add({"profile", kScopes[0], "What it says, beside its data sheet (--profile)."});
  console.print(table.render(console.style()));
}

// One line that is written over, for a person who waits.
void show_progress(conform::Options& options) {
  if (::isatty(STDERR_FILENO) != 1) return;
  options.progress = [](std::size_t done, std::size_t all, std::string_view name) {
    Console::write_error(
        fmt::format("\r\033[K{}", done == all ? "" : fmt::format("{}/{} {}", done, all, name)));
    std::fflush(stderr);
  };
}

int conform_plugin(ConformOptions options, const Console& console) {
  if (options.requirements) {
    console.print(options.json ? conform::requirements_json() : conform::requirements_text());
    return kDone;
  }
  if (options.list) {
    list_cases(console);
    return kDone;
  }
  if (options.run.plugin.empty())
    return console.refuse({ErrorCode::invalid, "Which plugin? Give the path of its file."});
  if (options.run.quick) options.run.budget = conform::quick_budget();
  if (!options.profile.empty()) {
    auto profile = conform::Profile::read(options.profile);
    if (!profile) return console.refuse(profile.error());
    options.run.budget = profile->applied_to(options.run.budget);
    options.run.profile = std::move(*profile);
  }
  options.run.program = "/proc/self/exe";
  show_progress(options.run);
  const auto score = conform::run_all(options.run);
  if (!score) return console.refuse(score.error());
  console.print(options.json ? conform::json_of(*score)
                             : conform::text_of(*score, console.style().colour));
  if (!options.html.empty())
    if (const auto written = write_html(options.html, *score); !written)
      return console.fail(written.error());
  return score->conforms() ? kDone : kFailed;
}

}  // namespace

void become_conform_case(int argc, char** argv) {
  if (argc >= 2 && std::string_view(argv[1]) == conform::kCaseArgument &&
      conform::is_case_process())
    conform::run_case_process(espalier_plugin_openssl);
}

void add_conform(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "conform", "Check whether a plugin keeps every promise of the plugin interface");
  const auto options = std::make_shared<ConformOptions>();
  options->run.at_once = std::max(1U, std::min(std::thread::hardware_concurrency(), 8U));
  verb->add_option("PLUGIN", options->run.plugin, "The plugin's file, NAME.so");
  verb->add_option("--profile", options->profile,
                   "TOML: what its data sheet says, which it must match; and how much is done");
  verb->add_flag("--quick", options->run.quick, "Fewer packets and sessions: seconds, not minutes");
  verb->add_option("--seed", options->run.seed, "The seed of everything random (default: 1)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--case", options->run.filter, "Only this case, as the report names it");
  verb->add_option("--options", options->run.backend_options,
                   "The backend's own options, as JSON (default: {})");
  verb->add_option("--preload", options->run.preload,
                   "Run-time library of the sanitizer that the plugin was built with")
      ->check(CLI::ExistingFile);
  verb->add_option("--jobs", options->run.at_once, "Cases at a time (default: one a CPU)")
      ->check(CLI::Range(1, 64));
  verb->add_flag("--list", options->list, "List the cases");
  verb->add_flag("--requirements", options->requirements,
                 "List what a plugin must keep, why, and which cases check it");
  verb->add_flag("--json", options->json, "As JSON");
  verb->add_option("--html", options->html, "Also write a report to a file, for a browser");
  verb->footer(
      "Exit code 0 only when every requirement that applies holds. Each case runs in a process of\n"
      "its own: what a plugin does there harms neither this command nor the other cases.\n"
      "Examples:\n  espalier conform my-card.so\n"
      "  espalier conform my-card.so --quick --json > score.json\n"
      "  espalier conform my-card.so --profile my-card.toml --html report.html\n"
      "  espalier conform my-card.so --case verdicts:card0:aes-gcm --seed 7\n"
      "  espalier conform my-card-tsan.so --preload $(gcc -print-file-name=libtsan.so)");
  verb->callback([=, &console, &exit_code] { exit_code = conform_plugin(*options, console); });
}

}  // namespace espalier::cli
