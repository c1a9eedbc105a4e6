// SPDX-License-Identifier: Apache-2.0
#include "run_steering.hpp"

#include <espalier/abi.h>

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace espalier::cli {
namespace {

// The kernel lets go of the driver of an SA a moment after the SA has left.
constexpr std::chrono::milliseconds kLettingGo{100};
constexpr int kTries = 20;

}  // namespace

RunSteering::RunSteering(std::filesystem::path journal, Log log)
    : file_(std::move(journal)), log_(std::move(log)), kernel_(steer::this_kernel()) {}

RunSteering::~RunSteering() {
  if (!steering_) return;
  steering_.reset();
  steer::UndoReport last;
  for (int i = 0; i < kTries; ++i) {
    auto report = steer::undo(*journal_, *kernel_);
    if (!report) {
      log_(ESPALIER_LOG_WARNING, report.error().message);
      return;
    }
    last = std::move(*report);
    if (last.left.empty()) break;
    std::this_thread::sleep_for(kLettingGo);
  }
  tell(last);
}

void RunSteering::take_over() {
  std::error_code error;
  if (!std::filesystem::exists(file_, error)) return;
  if (auto steering = get(); !steering) log_(ESPALIER_LOG_WARNING, steering.error().message);
}

Result<steer::Steering*> RunSteering::get() {
  if (steering_) return &*steering_;
  if (!journal_) {
    auto journal = steer::Journal::open(file_, *kernel_);
    if (!journal) return std::unexpected(std::move(journal.error()));
    journal_.emplace(std::move(*journal));
  }
  steer::UndoReport taken_over;
  auto steering = steer::Steering::start(*kernel_, *journal_, &taken_over);
  if (!steering) return std::unexpected(std::move(steering.error()));
  for (const std::string& each : taken_over.done)
    log_(ESPALIER_LOG_INFO, "An earlier run left it to this one: " + each + ".");
  tell({{}, taken_over.left});
  return &steering_.emplace(std::move(*steering));
}

void RunSteering::tell(const steer::UndoReport& report) const {
  for (const std::string& each : report.left) log_(ESPALIER_LOG_WARNING, each);
}

}  // namespace espalier::cli
