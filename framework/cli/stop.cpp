// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"
#include "verbs.hpp"

#include "gateway/control_client.hpp"
#include "io/descriptor.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <memory>

namespace espalier::cli {
namespace {

constexpr int kPatienceMs = 30'000;

struct Options {
  std::filesystem::path socket;
  bool json = false;
};

bool has_ended(pid_t process) {
  const io::Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (!handle) return errno == ESRCH;
  pollfd end{handle.get(), POLLIN, 0};
  return ::poll(&end, 1, kPatienceMs) == 1;
}

int stop(const Options& options, const Console& console) {
  const auto socket = gateway_socket(options.socket);
  if (!socket) return no_gateway_socket(socket.error(), console);
  const auto reply = ask_gateway(*socket, nlohmann::json{{"verb", "stop"}});
  if (!reply) return console.fail(reply.error());
  const pid_t process = reply->at("pid").get<pid_t>();
  if (!has_ended(process))
    return console.fail(
        {ErrorCode::transient,
         fmt::format("The gateway has agreed to stop, but its process {} still runs.", process)});
  if (options.json)
    console.print_json({{"stopped", process}});
  else
    console.print(fmt::format("The gateway, process {}, has stopped.\n", process));
  return kDone;
}

}  // namespace

void add_stop(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand("stop", "Stop a running gateway, and wait until it has ended");
  const auto options = std::make_shared<Options>();
  add_socket_option(*verb, options->socket);
  verb->add_flag("--json", options->json, "As JSON");
  verb->footer("Example:\n  espalier stop");
  verb->callback([=, &console, &exit_code] { exit_code = stop(*options, console); });
}

}  // namespace espalier::cli
