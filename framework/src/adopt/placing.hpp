// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>
#include <espalier/placer.hpp>
#include <espalier/registry.hpp>

#include "adopt/drivers.hpp"
#include "adopt/ear.hpp"
#include "xfrm/sa_state.hpp"
#include "xfrm/transport.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace espalier::adopt {

// An SA as it was seen.
struct Sight {
  SaSpec spec;
  xfrm::SaState state;
  std::string unfit{};  // why it could not be put back as it is (xfrm::SaCopy), or ""
  std::optional<std::uint64_t> born{};  // the era in which its owner added it; nothing: before us
};

// Where an SA was put, and what of that is not as the policy wants it.
struct Standing {
  enum class Is { settled, misplaced, shut, gone };
  Is is = Is::settled;
  std::string note;  // a clause on why it is not where the policy wants it, or ""
  std::shared_ptr<const Decision> decision;
  std::optional<std::pair<std::string, std::string>> home{};  // backend and device, if one took it
  KernelDriver driver{};
  bool swapped = false;
};

// Gives the SAs of an IKE daemon the places that the policy wants, as far as that is safe: those
// that are there already, or are born there, it leaves alone; those that have carried nothing it
// puts elsewhere; others wait for their rekey. [control]
class Placing {
 public:
  Placing(Registry& registry, Placer& placer, xfrm::Transport& kernel, Ear& ear,
          HeldDrivers& drivers)
      : registry_(registry), placer_(placer), kernel_(kernel), ear_(ear), drivers_(drivers) {}

  // What it gives a home is counted by the placer, until that is released.
  Standing place(const Sight& sight);

 private:
  struct Attempt;

  Registry& registry_;
  Placer& placer_;
  xfrm::Transport& kernel_;
  Ear& ear_;
  HeldDrivers& drivers_;
};

}  // namespace espalier::adopt
