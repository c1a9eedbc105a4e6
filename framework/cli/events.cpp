// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"
#include "verbs.hpp"

#include "gateway/control_client.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

namespace espalier::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::filesystem::path socket;
  bool follow = false;
  bool json = false;
};

// One event a line, as JSON too: so that what follows can be read as it comes.
void print_event(const ordered_json& event, const Options& options, const Console& console) {
  if (options.json)
    console.print(event.dump() + '\n');
  else
    console.print(fmt::format("{}  {:<18} {}\n", event.at("time").get<std::string>(),
                              event.at("kind").get<std::string>(),
                              event.at("text").get<std::string>()));
}

int events(const Options& options, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  const nlohmann::json request{{"verb", "events"}, {"follow", options.follow}};
  const auto told = follow_gateway(*socket, request, [&](const ordered_json& line) {
    if (const auto event = line.find("event"); event != line.end()) {
      print_event(*event, options, console);
      return true;
    }
    for (const auto& event : line.at("events")) print_event(event, options, console);
    return options.follow;
  });
  return told ? kDone : console.fail(told.error());
}

}  // namespace

void add_events(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "events", "Show what happened in a running gateway: lifetimes that end, SAs that moved");
  const auto options = std::make_shared<Options>();
  add_socket_option(*verb, options->socket);
  verb->add_flag("--follow", options->follow, "Go on with what happens from now on");
  verb->add_flag("--json", options->json, "As JSON: one object a line");
  verb->footer(
      "An IKE program follows them to know when an SA is to be rekeyed (sa.soft_lifetime).\n"
      "Example:\n  espalier events --follow --json");
  verb->callback([=, &console, &exit_code] { exit_code = events(*options, console); });
}

}  // namespace espalier::cli
