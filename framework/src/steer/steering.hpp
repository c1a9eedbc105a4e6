// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "steer/crypto_api.hpp"
#include "steer/driver_choice.hpp"
#include "steer/journal.hpp"
#include "steer/kernel.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::steer {

// The driver that an SA was steered to. Which one it got can only be inferred from who counts more
// users than before; `why` says why it could not be.
struct Bound {
  std::string driver;
  Inference inference;
  std::string trouble;  // a sentence, where a priority could not be put back; it is in the journal
};

// Brings SAs to the kernel crypto drivers that recipes name. All that it changes in the kernel is
// in the journal before it is changed. What an SA has it keeps: putting priorities back, or another
// driver first, changes nothing for it. [control]
class Steering {
 public:
  // Undoes first what another process left when it was killed; `taken_over` tells.
  static Result<Steering> start(Kernel& kernel, Journal& journal, UndoReport* taken_over = nullptr);

  // Where an SA of this transform is to bind; loads `module`, if it is not "", where the driver is
  // not there without it.
  Result<Binding> choose(const Transform& transform, bool esn, std::string_view driver,
                         const std::string& module);

  // Puts the driver first, lets `add_sa` add one SA, puts everything back, and tells what the SA
  // got. SAs that others add meanwhile get the same driver, which makes it unknown what this one
  // has. An error of add_sa is given back as it is.
  Result<Bound> bind(const Binding& binding, const std::function<Result<void>()>& add_sa);

  // From now on the driver is first for all who ask for its name, also for an IKE daemon's own SAs.
  // One a name: another takes its place.
  Result<void> hold(const Binding& binding);
  Result<void> release(const Binding& binding);
  // Drivers come and go with modules, and take instances on top of others along: puts those that
  // are held back into their place. Sentences on what it found.
  Result<std::vector<std::string>> refresh();

  // Masks of CPUs, as files of pcrypt have them.
  Result<void> set_masks(const std::vector<Mask>& masks);

 private:
  Steering(Kernel& kernel, Journal& journal) : kernel_(kernel), api_(kernel), journal_(journal) {}

  struct Held {
    Binding binding;
    std::uint32_t rests_at = 0;
  };

  Result<void> ensure(const Binding& binding);
  Result<std::vector<Algorithm>> drivers_of(const std::string& name);
  Result<void> expect(const std::vector<Priority>& changes, const std::vector<Algorithm>& now);
  Result<void> set(const std::vector<Priority>& changes);
  std::vector<Priority> resting() const;
  std::string put_back(const std::vector<Priority>& changes, const std::vector<Algorithm>& before);

  Kernel& kernel_;
  CryptoApi api_;
  Journal& journal_;
  std::vector<Held> held_;
};

}  // namespace espalier::steer
