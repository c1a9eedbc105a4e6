// SPDX-License-Identifier: Apache-2.0
#include "offspring.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

namespace espalier::probe {
namespace {

namespace fs = std::filesystem;

std::vector<pid_t> children() {
  std::vector<pid_t> all;
  std::error_code error;
  for (const fs::directory_entry& task : fs::directory_iterator("/proc/self/task", error)) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) all.push_back(child);
  }
  return all;
}

// Takes the ends of those that have ended. False if none is left.
bool reap() {
  pid_t ended = 0;
  do ended = ::waitpid(-1, nullptr, WNOHANG | __WALL);
  while (ended > 0 || (ended < 0 && errno == EINTR));
  return ended == 0;
}

}  // namespace

bool adopt_orphans() { return ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0; }

bool kill_offspring() {
  const bool some = reap();
  while (reap()) {
    for (const pid_t child : children()) ::kill(child, SIGKILL);
    ::usleep(1000);  // whoever watches this process ends it if its time is over
  }
  return some;
}

}  // namespace espalier::probe
