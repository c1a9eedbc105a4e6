// SPDX-License-Identifier: Apache-2.0
//
// espalier-probe: tries one plugin, in a process that may hang or die of it. Started by
// Registry::load as load/child.hpp says, never by hand.
#include <load/child.hpp>
#include <load/try_plugin.hpp>

#include "offspring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using espalier::load::Child;
using espalier::load::Descriptor;

constexpr rlim_t kCpuSeconds = 60;  // should whoever watches the time be gone

bool started_by_espalier() {
  struct stat found{};
  return fstat(Child::kImageFd, &found) == 0 && fstat(Child::kReportFd, &found) == 0 &&
         S_ISFIFO(found.st_mode);
}

// Dies with its parent, leaves no core (there might be keys in it), does not compute for ever, and
// knows what its plugin starts.
bool confine() {
  const rlimit no_core{0, 0};
  const rlimit cpu{kCpuSeconds, kCpuSeconds};
  return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
         setrlimit(RLIMIT_CORE, &no_core) == 0 && setrlimit(RLIMIT_CPU, &cpu) == 0 &&
         espalier::probe::adopt_orphans();
}

// The parent may have died before the signal of its death was asked for.
bool parent_listens() {
  pollfd report{Child::kReportFd, 0, 0};
  return poll(&report, 1, 0) == 0;
}

// Not for programs that the plugin may run.
void keep_from_children(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t n; (n = read(fd, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(n));
  return text;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

int probe(std::vector<std::string> others) {
  keep_from_children(Child::kImageFd);
  keep_from_children(Child::kReportFd);
  const std::string options = read_all(STDIN_FILENO);
  auto found = espalier::load::try_plugin(Descriptor(Child::kImageFd), options,
                                          espalier::load::find_in_files(std::move(others)));
  // In the gateway they would outlive it, with the descriptors that they have from it.
  if (espalier::probe::kill_offspring() && found.rejected.empty())
    found.rejected = "it started a process that runs on after its backend was closed";
  return write_all(Child::kReportFd, espalier::load::to_report(found)) ? 0 : 1;
}

}  // namespace

// espalier-probe BACKEND [NAME=PATH of other plugins]...
int main(int argc, char** argv) {
  if (!started_by_espalier()) {
    std::fputs("espalier-probe is run by espalier to try a plugin; run 'espalier probe' instead.\n",
               stderr);
    return 2;
  }
  if (!confine()) {
    std::perror("espalier-probe cannot confine itself");
    return 1;
  }
  if (!parent_listens()) return 1;
  int status = 1;
  try {
    status = probe({argv + std::min(argc, 2), argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  std::fflush(nullptr);
  // Not exit: what the plugin has left to run at exit is of no interest, and could hang.
  _exit(status);
}
