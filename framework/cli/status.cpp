// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"
#include "verbs.hpp"

#include "gateway/control_client.hpp"
#include "observe/render.hpp"
#include "observe/sa_report.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <vector>

namespace espalier::cli {
namespace {

struct Options {
  std::filesystem::path socket;
  bool drops = false;
  bool json = false;
};

std::string render_dropped(const nlohmann::ordered_json& status, const TextStyle& style) {
  return render_drops(with_wire(status.at("drops"), status.at("wire")), style);
}

std::string render(const nlohmann::ordered_json& status, const TextStyle& style) {
  std::vector<SaReport> reports;
  for (const auto& sa : status.at("sas")) reports.push_back(sa_report_from_json(sa));
  return fmt::format("Site {} of {}: pid {}, {} dataplane, {}, up {} s\n\n{}\n{}",
                     status.at("site").get<std::string>(), status.at("config").get<std::string>(),
                     status.at("pid").get<int>(), status.at("dataplane").get<std::string>(),
                     counted(status.at("workers").get<std::uint64_t>(), "worker"),
                     status.at("uptime_seconds").get<long>(), render_sas(reports, style),
                     render_dropped(status, style));
}

int status(const Options& options, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  auto reply = ask_gateway(*socket, nlohmann::json{{"verb", options.drops ? "drops" : "status"}});
  if (!reply) return console.fail(reply.error());
  reply->erase("ok");
  if (options.json)
    console.print_json(*reply);
  else if (options.drops)
    console.print(render_dropped(*reply, console.style()));
  else
    console.print(render(*reply, console.style()));
  return kDone;
}

}  // namespace

void add_status(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("status", "Show a running gateway: its SAs, and what it dropped");
  const auto options = std::make_shared<Options>();
  add_socket_option(*verb, options->socket);
  verb->add_flag(
      "--drops", options->drops,
      "Only what was dropped, beside the kernel's names for it: quick where SAs are many");
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer(
      "Examples:\n  espalier status\n  espalier status --json --socket /run/espalier/a.sock");
  verb->callback([=, &console, &exit_code] { exit_code = status(*options, console); });
}

}  // namespace espalier::cli
