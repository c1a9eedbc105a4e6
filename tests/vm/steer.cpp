// SPDX-License-Identifier: Apache-2.0
//
// Steering as a command, for cases in the virtual machine:
//
//   vm_steer JOURNAL bind|hold TRANSFORM[+esn] DRIVER MODULE COUNT COMMAND...
//   vm_steer JOURNAL undo
//   vm_steer JOURNAL masks FILE MASK
//
// runs COMMAND, which is to add an SA, COUNT times, with N in its environment, each while DRIVER is
// first (or held so), and prints as JSON what each SA got. Undoes nothing at its end: `undo` does.
#include "steer/steering.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace espalier::steer {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "vm_steer: {}\n", error.message);
  return 1;
}

Result<void> run(std::span<char*> command) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(command.front(), command.data());  // argv: ends with a null pointer
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::io, fmt::format("'{}' failed", command.front()));
}

Result<Binding> binding_of(Steering& steering, std::span<char*> words) {
  std::string name = words[0];
  const bool esn = name.ends_with("+esn");
  if (esn) name.resize(name.size() - 4);
  const auto transform = find_transform(name);
  if (!transform) return std::unexpected(transform.error());
  return steering.choose((*transform)->transform, esn, words[1], words[2]);
}

int steer(Steering& steering, bool hold, std::span<char*> words) {
  const auto binding = binding_of(steering, words);
  if (!binding) return complain(binding.error());
  if (hold)
    if (auto held = steering.hold(*binding); !held) return complain(held.error());
  auto sas = nlohmann::json::array();
  for (int n = 0; n < std::atoi(words[3]); ++n) {
    ::setenv("N", std::to_string(n).c_str(), 1);
    const auto bound = steering.bind(*binding, [&] { return run(words.subspan(4)); });
    if (!bound) return complain(bound.error());
    sas.push_back({{"driver", bound->driver},
                   {"inferred", bound->inference.inferred},
                   {"why", bound->inference.why},
                   {"trouble", bound->trouble}});
  }
  fmt::print("{}\n", nlohmann::json{{"sas", sas}}.dump());
  return 0;
}

int work(std::span<char*> words) {
  const auto kernel = this_kernel();
  auto journal = Journal::open(words[0], *kernel);
  if (!journal) return complain(journal.error());
  UndoReport report;
  auto steering = Steering::start(*kernel, *journal, &report);
  if (!steering) return complain(steering.error());
  const std::string_view verb = words[1];
  if (verb == "bind" || verb == "hold") return steer(*steering, verb == "hold", words.subspan(2));
  if (verb == "masks") {
    const auto set = steering->set_masks({{words[2], words[3]}});
    return set ? 0 : complain(set.error());
  }
  fmt::print("{}\n", nlohmann::json{{"done", report.done}, {"left", report.left}}.dump());
  return 0;
}

}  // namespace
}  // namespace espalier::steer

int main(int argc, char** argv) {
  const std::span<char*> words(argv + 1, static_cast<std::size_t>(argc - 1));
  const std::string_view verb = words.size() > 1 ? words[1] : "";
  const std::size_t least = verb == "undo" ? 2 : verb == "masks" ? 4 : 7;
  if (words.size() >= least) return espalier::steer::work(words);
  fmt::print(stderr, "vm_steer: the head of tests/vm/steer.cpp says how to call it\n");
  return 2;
}
