// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <conform/cases.hpp>
#include <conform/worker.hpp>
#include <load/child.hpp>
#include <load/library.hpp>
#include <load/sealed_image.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace espalier::conform {
namespace {

using load::Child;

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t n; (n = ::read(fd, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(n));
  return text;
}

Result<const espalier_plugin_entry*> load_plugin() {
  load::Descriptor image(Child::kImageFd);
  auto view = load::ImageView::map(image.get());
  if (!view) return std::unexpected(view.error());
  const auto manifest = load::read_manifest(view->bytes());
  if (!manifest) return std::unexpected(manifest.error());
  return load::load_library(std::move(image), *manifest);
}

void run_body(const Case& test, Run& run) {
  try {
    return test.body(run);
  } catch (const KitError&) {
    throw;
  } catch (const std::exception& e) {
    run.fail(Req::no_exception, std::string("an exception left a function of it: ") + e.what());
  } catch (...) {
    run.fail(Req::no_exception, "an exception left a function of it, no std::exception even");
  }
  run.end_early();
}

int run_case(const espalier_plugin_entry& oracle) {
  const auto job = job_from_json(read_all(STDIN_FILENO));
  if (!job) throw KitError(job.error().message);
  const auto& cases = all_cases();
  const auto test = std::ranges::find(cases, job->test, &Case::name);
  if (test == cases.end()) throw KitError("there is no case " + job->test);
  Run run(*job, Child::kReportFd, load_plugin, &oracle);
  run_body(*test, run);
  run.done();
  // What the plugin has left to run at exit is of no interest elsewhere.
  if (std::ranges::count(test->checks, Req::ends) != 0) std::exit(0);
  return 0;
}

}  // namespace

bool is_case_process() {
  struct stat found{};
  return fstat(Child::kImageFd, &found) == 0 && fstat(Child::kReportFd, &found) == 0 &&
         S_ISFIFO(found.st_mode);
}

void run_case_process(const espalier_plugin_entry& oracle) {
  const rlimit no_core{0, 0};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setrlimit(RLIMIT_CORE, &no_core);
  fcntl(Child::kReportFd, F_SETFD, FD_CLOEXEC);
  fcntl(Child::kImageFd, F_SETFD, FD_CLOEXEC);
  int status = kKitFailed;
  try {
    status = run_case(oracle);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  std::fflush(nullptr);
  _exit(status);
}

}  // namespace espalier::conform
