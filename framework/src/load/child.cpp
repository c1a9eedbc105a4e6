// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <load/child.hpp>
#include <load/sealed_image.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace espalier::load {
namespace {

// Everything else stays here: the environment may hold keys.
constexpr std::string_view kKeptVariables[] = {
    "PATH",         "LANG",         "LC_ALL",       "TMPDIR",        "LD_LIBRARY_PATH",
    "OPENSSL_CONF", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};

constexpr auto kReapLimit = std::chrono::seconds(1);

Error os_error(std::string_view what, int reason) {
  return {ErrorCode::io, fmt::format("{}: {}", what, std::strerror(reason))};
}

// By number: glibc 2.36 declares pidfd_open() without C linkage.
Descriptor open_pidfd(pid_t pid) {
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(os_error("cannot make a pipe", errno));
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);  // this end only: the child's may block
  return pipe;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> kept_environment() {
  std::vector<std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const auto name = variable.substr(0, variable.find('='));
    if (std::ranges::find(kKeptVariables, name) != std::end(kKeptVariables))
      kept.emplace_back(variable);
  }
  return kept;
}

// What the child has to begin with. Sources are above every target, or a dup would overwrite one.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Result<void> give(int fd, int target) {
    Descriptor high(fcntl(fd, F_DUPFD_CLOEXEC, Child::kReportFd + 1));
    if (!high) return std::unexpected(os_error("cannot duplicate a descriptor", errno));
    posix_spawn_file_actions_adddup2(&actions_, high.get(), target);
    held_.push_back(std::move(high));
    return {};
  }

  Result<pid_t> spawn(const Child::Program& program) {
    posix_spawn_file_actions_addclosefrom_np(&actions_, Child::kReportFd + 1);
    auto environment = kept_environment();
    if (!program.preload.empty()) environment.push_back("LD_PRELOAD=" + program.preload.string());
    if (program.binds_early) environment.emplace_back("LD_BIND_NOW=1");
    auto arguments = program.arguments;
    arguments.insert(arguments.begin(), program.path.string());
    pid_t pid = -1;
    const int failed = posix_spawn(&pid, program.path.c_str(), &actions_, &attributes_,
                                   pointers_to(arguments).data(), pointers_to(environment).data());
    if (failed != 0)
      return std::unexpected(os_error(fmt::format("cannot run {}", program.path.string()), failed));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  std::vector<Descriptor> held_;
};

// Appends what a pipe holds to `text`, which keeps at most `limit` bytes. False if more came.
bool read_into(int pipe, std::string& text, std::size_t limit) {
  std::array<char, 16 * 1024> block;
  bool all = true;
  // Bounded, so that a child that writes without end does not keep us here.
  for (int i = 0; i < 64; ++i) {
    const ssize_t n = read(pipe, block.data(), block.size());
    if (n <= 0) break;
    const auto room = std::min(limit - text.size(), static_cast<std::size_t>(n));
    text.append(block.data(), room);
    all = all && room == static_cast<std::size_t>(n);
  }
  return all;
}

}  // namespace

Result<Child> Child::start(const Program& program) {
  auto report = make_pipe();
  if (!report) return std::unexpected(report.error());
  auto output = make_pipe();
  if (!output) return std::unexpected(output.error());
  const auto* const raw = reinterpret_cast<const std::uint8_t*>(program.input.data());
  const auto input = seal({raw, program.input.size()}, "input");
  if (!input) return std::unexpected(input.error());

  SpawnPlan plan;
  const std::pair<int, int> given[] = {{input->get(), STDIN_FILENO},
                                       {output->write.get(), STDOUT_FILENO},
                                       {output->write.get(), STDERR_FILENO},
                                       {program.image, kImageFd},
                                       {report->write.get(), kReportFd}};
  for (const auto& [fd, target] : given)
    if (auto ok = plan.give(fd, target); !ok) return std::unexpected(ok.error());
  const auto pid = plan.spawn(program);
  if (!pid) return std::unexpected(pid.error());
  Descriptor handle = open_pidfd(*pid);
  const int reason = errno;
  Child child(*pid, std::move(handle), std::move(report->read), std::move(output->read),
              Clock::now() + program.limit);
  if (!child.handle_)
    return std::unexpected(os_error("cannot watch a child process (Linux 5.3 can)", reason));
  return child;
}

Child::Child(pid_t pid, Descriptor handle, Descriptor report, Descriptor output,
             Clock::time_point deadline) noexcept
    : pid_(pid),
      handle_(std::move(handle)),
      report_(std::move(report)),
      output_(std::move(output)),
      deadline_(deadline) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      handle_(std::move(other.handle_)),
      report_(std::move(other.report_)),
      output_(std::move(other.output_)),
      deadline_(other.deadline_),
      end_(std::move(other.end_)) {}

Child::~Child() {
  if (pid_ < 0) return;
  kill_group();
  waitpid(pid_, nullptr, 0);
}

std::array<pollfd, 3> Child::watched() const noexcept {
  return {pollfd{handle_.get(), POLLIN, 0}, pollfd{report_.get(), POLLIN, 0},
          pollfd{output_.get(), POLLIN, 0}};
}

std::optional<ChildEnd> Child::advance() {
  read_pipes();
  if (end_.how == ChildEnd::How::too_much) return end(ChildEnd::How::too_much);
  pollfd ended{handle_.get(), POLLIN, 0};
  if (::poll(&ended, 1, 0) > 0) return end(ChildEnd::How::exited);
  if (Clock::now() >= deadline_) return end(ChildEnd::How::timed_out);
  return std::nullopt;
}

// A pipe at its end is closed here, or poll would return at once until the child has ended.
void Child::read_pipes() {
  const auto drain = [](Descriptor& pipe, std::string& text, std::size_t limit) {
    if (!pipe) return true;
    const bool all = read_into(pipe.get(), text, limit);
    pollfd state{pipe.get(), POLLIN, 0};
    if (::poll(&state, 1, 0) > 0 && (state.revents & POLLIN) == 0) pipe.reset();
    return all;
  };
  drain(output_, end_.output, kOutputKept);
  if (!drain(report_, end_.report, kReportLimit)) end_.how = ChildEnd::How::too_much;
}

// The group is killed while its leader is still there, ended or not, so that its number cannot have
// been given to anyone else. What it left in the pipes is read; those that others hold open are not
// waited for.
ChildEnd Child::end(ChildEnd::How how) {
  kill_group();
  read_pipes();
  pollfd ended{handle_.get(), POLLIN, 0};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(kReapLimit);
  siginfo_t info{};
  // A child that sleeps in the kernel cannot be killed; it is left behind rather than waited for.
  const bool gone = ::poll(&ended, 1, static_cast<int>(limit.count())) > 0 &&
                    waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, WEXITED) == 0;
  pid_ = -1;
  end_.how = how;
  if (how == ChildEnd::How::exited && gone) {
    end_.how = info.si_code == CLD_EXITED ? ChildEnd::How::exited : ChildEnd::How::killed;
    end_.number = info.si_status;
  }
  return std::move(end_);
}

void Child::kill_group() noexcept {
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);  // it may have left its group
}

}  // namespace espalier::load
