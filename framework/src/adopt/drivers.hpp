// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include "adopt/ear.hpp"
#include "steer/steering.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::adopt {

// The crypto drivers that are held in front, so that the SAs of IKE daemons bind to them when they
// are added. The kernel gives an algorithm's SAs the first of its drivers, all of them the same.
// [control]
class HeldDrivers {
 public:
  using Steerer = std::function<Result<steer::Steering*>()>;
  using Log = std::function<void(int level, std::string_view text)>;

  HeldDrivers(Steerer steerer, Ear& ear, Log log)
      : steerer_(std::move(steerer)), ear_(ear), log_(std::move(log)) {}

  // Has the driver that a recipe names held in front for SAs like this one. Gives the era (Ear)
  // from which on they are born with it. An error is the device's answer to the SA.
  Result<std::uint64_t> hold(const SaSpec& sa, const Recipe& recipe);

  // The one that is held in front for SAs like this; "": none.
  std::string held_for(const SaSpec& sa) const;

  // Puts back in front what others have set behind. To be called now and then.
  void look_after();

 private:
  struct Held {
    steer::Binding binding;
    std::string wanted;  // as a recipe names it
    std::uint64_t since = 0;
  };

  void warn_of_window(const SaSpec& sa, const steer::Binding& binding);

  Steerer steerer_;
  Ear& ear_;
  Log log_;
  std::map<std::string, Held> held_;  // by what ESP asks the kernel for
  bool warned_ = false;
  std::string trouble_;  // last told
};

}  // namespace espalier::adopt
