// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <conform/capability_diff.hpp>
#include <conform/profile.hpp>
#include <conform/runner.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <variant>

namespace espalier::cli {
namespace {

using conform::Difference;

struct CapdiffOptions {
  std::filesystem::path a;
  std::filesystem::path b;
  std::string backend_options = "{}";
  bool json = false;
};

using Side = std::variant<Inventory, conform::Profile>;

// By what the file is: a plugin, a saved inventory, or a profile.
Result<Side> read_side(const std::filesystem::path& path, const std::string& options) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return fail(ErrorCode::not_found, fmt::format("'{}' cannot be read.", path.string()));
  const std::string text = std::move(bytes).str();
  if (text.starts_with("\177ELF")) {
    auto backend = conform::describe_plugin(
        {.plugin = path, .program = "/proc/self/exe", .backend_options = options});
    if (!backend) return std::unexpected(backend.error());
    Inventory inventory;
    inventory.backends.push_back(std::move(*backend));
    return inventory;
  }
  if (path.extension() == ".toml") {
    auto profile = conform::Profile::parse(text, path.string());
    if (!profile) return std::unexpected(profile.error());
    return *std::move(profile);
  }
  auto inventory = inventory_from_json(text);
  if (!inventory)
    return fail(inventory.error().code,
                fmt::format("'{}' is neither a plugin, nor a profile (.toml), nor an inventory of "
                            "'espalier probe --save': {}",
                            path.string(), inventory.error().message));
  return *std::move(inventory);
}

// What a profile leaves open is as on the other side.
Inventory complete(const Side& side, const Side& other) {
  if (const auto* inventory = std::get_if<Inventory>(&side)) return *inventory;
  const auto& profile = std::get<conform::Profile>(side);
  BackendInfo beside;
  if (const auto* found = std::get_if<Inventory>(&other)) {
    const auto named = std::ranges::find(found->backends, profile.backend, &BackendInfo::name);
    if (named != found->backends.end())
      beside = *named;
    else if (found->backends.size() == 1)
      beside = found->backends.front();
  }
  Inventory inventory;
  inventory.backends.push_back(profile.declared(beside));
  return inventory;
}

nlohmann::ordered_json as_json(const std::vector<Difference>& all, bool loss) {
  auto list = nlohmann::ordered_json::array();
  for (const Difference& each : all)
    list.push_back({{"effect", conform::to_string(each.effect)},
                    {"where", each.where},
                    {"what", each.what},
                    {"a", each.a},
                    {"b", each.b}});
  return {{"loss", loss}, {"differences", list}};
}

void print_table(const std::vector<Difference>& all, const Console& console) {
  TextTable table({"EFFECT", "WHERE", "WHAT", "A", "B"});
  for (const Difference& each : all)
    table.add({conform::to_string(each.effect), each.where, each.what, each.a, each.b});
  console.print(table.render(console.style()));
}

int capdiff(const CapdiffOptions& options, const Console& console) {
  const auto a = read_side(options.a, options.backend_options);
  if (!a) return console.refuse(a.error());
  const auto b = read_side(options.b, options.backend_options);
  if (!b) return console.refuse(b.error());
  const auto all = conform::differences(complete(*a, *b), complete(*b, *a));
  const auto count = [&](Difference::Effect effect) {
    return static_cast<std::uint64_t>(std::ranges::count(all, effect, &Difference::effect));
  };
  const auto losses = count(Difference::Effect::loss);
  if (options.json) {
    console.print_json(as_json(all, losses != 0));
  } else {
    if (!all.empty()) print_table(all, console);
    console.print(fmt::format("{}{}, {}, {} from A to B.\n", all.empty() ? "" : "\n",
                              losses == 1 ? "1 loss" : fmt::format("{} losses", losses),
                              counted(count(Difference::Effect::gain), "gain"),
                              counted(count(Difference::Effect::change), "other change")));
  }
  return losses == 0 ? kDone : kFailed;
}

}  // namespace

void add_capdiff(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "capdiff", "What two plugins, inventories or profiles differ in; exit code 1 on a loss");
  const auto options = std::make_shared<CapdiffOptions>();
  verb->add_option("A", options->a, "A plugin's file, a saved inventory, or a profile (.toml)")
      ->required();
  verb->add_option("B", options->b, "What it is compared with, likewise")->required();
  verb->add_option("--options", options->backend_options,
                   "The backend's own options, as JSON (default: {})");
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "Compared are transforms, key and ICV lengths, directions, modes, encapsulations, ESN,\n"
      "limits and pools. A loss is what A can and B cannot.\n"
      "Examples:\n  espalier capdiff old/my-card.so new/my-card.so\n"
      "  espalier capdiff last-release.json my-card.so\n"
      "  espalier capdiff data-sheet.toml my-card.so --json");
  verb->callback([=, &console, &exit_code] { exit_code = capdiff(*options, console); });
}

}  // namespace espalier::cli
