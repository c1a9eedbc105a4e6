// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_loop.hpp"

#include "steer/steering.hpp"

#include <filesystem>
#include <memory>
#include <optional>

namespace espalier::cli {

// The steering of a running gateway: begins with the first SA that wants a crypto driver, and ends
// with the kernel's drivers as they were. To be destroyed after the SAs have left. [control]
class RunSteering {
 public:
  RunSteering(std::filesystem::path journal, Log log);
  ~RunSteering();
  RunSteering(const RunSteering&) = delete;
  RunSteering& operator=(const RunSteering&) = delete;

  // Undoes what an earlier run has left when it was killed.
  void take_over();
  Result<steer::Steering*> get();

 private:
  void tell(const steer::UndoReport& report) const;

  const std::filesystem::path file_;
  const Log log_;
  const std::unique_ptr<steer::Kernel> kernel_;
  std::optional<steer::Journal> journal_;
  std::optional<steer::Steering> steering_;
};

}  // namespace espalier::cli
