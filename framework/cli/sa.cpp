// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"
#include "sa_request.hpp"
#include "verbs.hpp"

#include "gateway/control_client.hpp"
#include "observe/sa_report.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace espalier::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Options {
  std::filesystem::path socket;
  bool json = false;
  std::string name;
  std::filesystem::path file;
  std::uint64_t grace_ms = 5000;
};

std::string placed(const ordered_json& decision) {
  const auto& chosen = decision.at("candidates").at(decision.at("chosen").get<std::size_t>());
  return fmt::format("{}: {} {}\n", decision.at("sa").get<std::string>(),
                     chosen.at("backend").get<std::string>(),
                     chosen.at("device").get<std::string>());
}

// Sends the SA and keys of the file, with what else the verb takes, and prints where it went.
int place(const Options& options, const json& head, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  const auto request = SaRequest::read(options.file, head);
  if (!request) return console.refuse(request.error());
  const auto reply = ask_gateway(*socket, request->line());
  if (!reply) return console.fail(reply.error());
  const std::string warning = reply->value("warning", "");
  if (!warning.empty()) console.tell("warning: " + warning);
  if (options.json)
    console.print_json({{"decision", reply->at("decision")}, {"warning", warning}});
  else
    console.print(placed(reply->at("decision")));
  return kDone;
}

int ask(const Options& options, const json& request, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  const auto reply = ask_gateway(*socket, request);
  if (!reply) return console.fail(reply.error());
  if (!reply->contains("sas")) {
    if (options.json)
      console.print_json({{"deleted", options.name}});
    else
      console.print(fmt::format("{}: deleted\n", options.name));
    return kDone;
  }
  if (options.json) {
    console.print_json({{"sas", reply->at("sas")}});
    return kDone;
  }
  std::vector<SaReport> reports;
  for (const auto& sa : reply->at("sas")) reports.push_back(sa_report_from_json(sa));
  console.print(render_sas(reports, console.style()));
  return kDone;
}

constexpr const char* kFileHelp =
    "A file with \"sa\" and \"keys\" as JSON, or '-' for standard input";
constexpr const char* kFileFooter =
    "Keys are never given as arguments, which others could read, nor in a file that others can "
    "open (chmod 600). It holds, for example:\n"
    "  {\"sa\": {\"name\": \"office/out\", \"direction\": \"outbound\", \"spi\": 4096,\n"
    "          \"transform\": \"aes256gcm16\", \"local\": \"192.0.2.1:4500\",\n"
    "          \"peer\": \"192.0.2.2:4500\",\n"
    "          \"selectors\": [{\"source\": \"10.1.0.0/16\", \"destination\": \"10.2.0.0/16\"}]},\n"
    "   \"keys\": {\"cipher\": \"64 hex digits\", \"salt\": \"8 hex digits\"}}\n";
constexpr const char* kTunnelFooter =
    "An SA that is named as one of a tunnel of the configuration (TUNNEL/out, TUNNEL/in) has from "
    "it\nwhat \"sa\" does not say, as its class and selectors: \"name\" and \"spi\" are "
    "enough.\n";

CLI::App* add_part(CLI::App& sa, const char* name, const char* help, Options& options) {
  auto* part = sa.add_subcommand(name, help);
  add_socket_option(*part, options.socket);
  part->add_flag("--json", options.json, "As JSON");
  return part;
}

}  // namespace

void add_sa(CLI::App& app, const Console& console, int& exit_code) {
  auto* sa = app.add_subcommand("sa", "Add, rekey, delete and list SAs of a running gateway");
  sa->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  auto* add = add_part(*sa, "add", "Add an SA", *options);
  add->add_option("FILE", options->file, kFileHelp)->required();
  add->footer(
      fmt::format("{}{}Example:\n  espalier sa add - < new-sa.json", kFileFooter, kTunnelFooter));
  add->callback(
      [=, &console, &exit_code] { exit_code = place(*options, {{"verb", "sa.add"}}, console); });

  auto* rekey = add_part(*sa, "rekey", "Replace an SA by one with new keys", *options);
  rekey->add_option("SA", options->name, "The SA to be replaced")->required();
  rekey->add_option("FILE", options->file, kFileHelp)->required();
  rekey->add_option("--grace-ms", options->grace_ms,
                    "How long a replaced inbound SA still takes packets");
  rekey->footer(
      fmt::format("{}Of \"sa\" only what is new is needed: \"spi\".\n"
                  "Example:\n  espalier sa rekey office/out new-keys.json",
                  kFileFooter));
  rekey->callback([=, &console, &exit_code] {
    exit_code = place(
        *options, {{"verb", "sa.rekey"}, {"name", options->name}, {"grace_ms", options->grace_ms}},
        console);
  });

  auto* remove = add_part(*sa, "delete", "Delete an SA", *options);
  remove->add_option("SA", options->name, "The SA")->required();
  remove->footer("Example:\n  espalier sa delete office/out");
  remove->callback([=, &console, &exit_code] {
    exit_code = ask(*options, {{"verb", "sa.delete"}, {"name", options->name}}, console);
  });

  auto* list = add_part(*sa, "list", "List the SAs", *options);
  list->footer("Example:\n  espalier sa list --json");
  list->callback(
      [=, &console, &exit_code] { exit_code = ask(*options, json{{"verb", "sa.list"}}, console); });
}

}  // namespace espalier::cli
