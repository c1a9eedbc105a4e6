// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"
#include "verbs.hpp"

#include "gateway/control_client.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace espalier::cli {
namespace {

struct Options {
  std::string sa;
  std::filesystem::path socket;
  bool json = false;
};

int explain(const Options& options, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  const auto reply =
      ask_gateway(*socket, nlohmann::json{{"verb", "explain"}, {"name", options.sa}});
  if (!reply) return console.fail(reply.error());
  if (options.json)
    console.print_json(reply->at("decision"));
  else
    console.print(reply->at("text").get<std::string>());
  return kDone;
}

}  // namespace

void add_explain(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "explain", "Say why an SA of a running gateway is where it is: every candidate, in order");
  const auto options = std::make_shared<Options>();
  verb->add_option("SA", options->sa, "Its name, as in 'espalier status'")->required();
  add_socket_option(*verb, options->socket);
  verb->add_flag("--json", options->json, "As JSON: the decision");
  verb->footer(
      "docs/reasons.md says of each reason when it is given and what to do.\n"
      "Example:\n  espalier explain office/out");
  verb->callback([=, &console, &exit_code] { exit_code = explain(*options, console); });
}

}  // namespace espalier::cli
