// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include "steer/tuning.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {
namespace {

constexpr const char* kJournal = "/var/lib/espalier/tune.json";

struct Options {
  std::vector<std::string> first;
  std::string parallel_cpus;
  std::string serial_cpus;
  std::filesystem::path journal = kJournal;
  bool apply = false;
  bool undo = false;
  bool json = false;
};

Result<steer::Tuning> tuning_of(const Options& options) {
  steer::Tuning tuning;
  for (const std::string& text : options.first) {
    auto first = steer::parse_first_driver(text);
    if (!first) return std::unexpected(first.error());
    tuning.first.push_back(std::move(*first));
  }
  if (!options.parallel_cpus.empty()) tuning.parallel_cpus = options.parallel_cpus;
  if (!options.serial_cpus.empty()) tuning.serial_cpus = options.serial_cpus;
  return tuning;
}

void print(const std::vector<steer::TuningItem>& items, bool json, const Console& console) {
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& each : items)
      list.push_back(
          {{"what", each.what}, {"now", each.now}, {"wanted", each.wanted}, {"why", each.why}});
    console.print_json({{"tune", list}});
    return;
  }
  TextTable table({"WHAT", "NOW", "WANTED", "WHY"});
  const auto shown = [](const std::string& text) { return text.empty() ? "-" : text; };
  for (const auto& each : items)
    table.add({each.what, shown(each.now),
               each.wanted == each.now ? "as it is" : shown(each.wanted), each.why});
  console.print(table.render(console.style()));
}

int undo(const Options& options, steer::Kernel& kernel, const Console& console) {
  auto journal = steer::Journal::open(options.journal, kernel);
  if (!journal) return console.fail(journal.error());
  const auto report = steer::undo(*journal, kernel);
  if (!report) return console.fail(report.error());
  if (options.json) {
    console.print_json({{"done", report->done}, {"left", report->left}});
  } else {
    for (const std::string& each : report->done) console.print(each + "\n");
    if (report->done.empty() && report->left.empty()) console.print("nothing was to be undone\n");
  }
  for (const std::string& each : report->left) console.tell(each);
  return report->left.empty() ? kDone : kFailed;
}

int tune(const Options& options, const Console& console) {
  const auto kernel = steer::this_kernel();
  if (options.undo) return undo(options, *kernel, console);
  const auto tuning = tuning_of(options);
  if (!tuning) return console.refuse(tuning.error());
  if (options.apply) {
    auto journal = steer::Journal::open(options.journal, *kernel);
    if (!journal) return console.fail(journal.error());
    auto steering = steer::Steering::start(*kernel, *journal);  // undoes an earlier --apply
    if (!steering) return console.fail(steering.error());
    if (auto applied = steer::apply(*tuning, *kernel, *steering); !applied)
      return console.fail(applied.error());
  }
  const auto items = steer::compare(*tuning, *kernel);
  if (!items)
    return items.error().code == ErrorCode::invalid ? console.refuse(items.error())
                                                    : console.fail(items.error());
  print(*items, options.json, console);
  return kDone;
}

}  // namespace

void add_tune(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "tune", "Show or set what the kernel's IPsec needs: modules, crypto drivers, CPUs of pcrypt");
  const auto options = std::make_shared<Options>();
  verb->add_option("--first", options->first,
                   "TRANSFORM=DRIVER: the kernel driver that its SAs are to get; may be repeated");
  verb->add_option("--parallel-cpus", options->parallel_cpus, "CPUs on which pcrypt works");
  verb->add_option("--serial-cpus", options->serial_cpus, "CPUs on which its results come out");
  verb->add_option("--journal", options->journal, "What was changed, for --undo")
      ->capture_default_str();
  auto* apply = verb->add_flag("--apply", options->apply,
                               "Set it; what an earlier --apply set, and "
                               "is not wanted now, is undone");
  verb->add_flag("--undo", options->undo, "Undo what --apply has set")->excludes(apply);
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "Without --apply nothing is changed. What is set lasts until --undo or the next start of "
      "the\n"
      "machine; SAs keep the driver that they got when they were added. What somebody else has "
      "changed\nsince is not undone. Modules stay loaded.\n"
      "A driver is one of /proc/crypto, or several put together; 'pcrypt(rfc4106(gcm(aes)))' is\n"
      "pcrypt over the kernel's own choice. With HMAC, SAs without extended sequence numbers have\n"
      "drivers of their own: TRANSFORM/no-esn=DRIVER.\n"
      "Examples:\n  espalier tune\n"
      "  espalier tune --first 'aes128gcm16=pcrypt(rfc4106(gcm(aes)))' --parallel-cpus 0-1\n"
      "  espalier tune --first 'aes128gcm16=pcrypt(rfc4106(gcm(aes)))' --apply\n"
      "  espalier tune --undo");
  verb->callback([=, &console, &exit_code] { exit_code = tune(*options, console); });
}

}  // namespace espalier::cli
