// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <load/descriptor.hpp>

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::load {

// How a child ended. What it printed is cut after kOutputKept bytes.
struct ChildEnd {
  enum class How { exited, killed, timed_out, too_much } how = How::exited;
  int number = 0;      // exit status or signal
  std::string report;  // what came through the pipe at kReportFd
  std::string output;  // what it printed
};

// A program that runs in a child process of its own process group, with nothing inherited but: the
// given descriptor at kImageFd, a pipe at kReportFd for its answer, another for what it prints, its
// input, and the variables of the environment that the loader and libraries need. Killed, with its
// group, when it ends, when its time is over or when it is destroyed. One thread.
class Child {
 public:
  static constexpr int kImageFd = 3;
  static constexpr int kReportFd = 4;
  static constexpr std::size_t kReportLimit = 16u << 20;
  static constexpr std::size_t kOutputKept = 1024;
  using Clock = std::chrono::steady_clock;

  struct Program {
    std::filesystem::path path;
    std::vector<std::string> arguments;
    int image = -1;
    std::string input;
    std::filesystem::path preload{};  // a library that it is to load before all others
    // Every function is found as the program begins. Where the loader finds one on its first call
    // it saves the registers on the stack, with whatever was in them.
    bool binds_early = false;
    std::chrono::milliseconds limit{};
  };

  static Result<Child> start(const Program& program);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  // What to wait for, and until when.
  std::array<pollfd, 3> watched() const noexcept;
  Clock::time_point deadline() const noexcept { return deadline_; }

  // Reads what is there. Gives how it ended once it has, and has been cleared away.
  std::optional<ChildEnd> advance();

 private:
  Child(pid_t pid, Descriptor handle, Descriptor report, Descriptor output,
        Clock::time_point deadline) noexcept;
  void read_pipes();
  ChildEnd end(ChildEnd::How how);
  void kill_group() noexcept;

  pid_t pid_ = -1;
  Descriptor handle_;  // a pidfd
  Descriptor report_;
  Descriptor output_;
  Clock::time_point deadline_;
  ChildEnd end_;
};

}  // namespace espalier::load
