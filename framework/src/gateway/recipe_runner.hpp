// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include "steer/steering.hpp"
#include "xfrm/install.hpp"

#include <functional>
#include <string_view>

namespace espalier {

// Carries recipes out: has the crypto driver that one names be the first, and puts the SA into the
// kernel. [control]
class RecipeRunner {
 public:
  // Asked when the first SA is to be steered. An error is a sentence on why none can be.
  using Steerer = std::function<Result<steer::Steering*>()>;
  using Log = std::function<void(int level, std::string_view text)>;

  RecipeRunner(xfrm::Transport& kernel, Steerer steerer, Log log)
      : kernel_(kernel), steerer_(std::move(steerer)), log_(std::move(log)) {}

  struct Installed {
    xfrm::SaState state;
    KernelDriver driver;
  };
  // Leaves nothing behind where it fails. The class of an error is the device's answer to the SA; a
  // driver that cannot be had is `unsupported`, or `transient` where it may be had later.
  Result<Installed> run(const xfrm::Wanted& wanted);

 private:
  Result<xfrm::SaState> install(const xfrm::Wanted& wanted);
  Result<Installed> steer(const xfrm::Wanted& wanted);

  xfrm::Transport& kernel_;
  Steerer steerer_;
  Log log_;
};

}  // namespace espalier
