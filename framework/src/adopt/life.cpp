// SPDX-License-Identifier: Apache-2.0
#include "adopt/life.hpp"

#include <fmt/format.h>

#include <utility>

namespace espalier::adopt {

void SaLife::settle(std::string note) {
  stage_ = Stage::settled;
  note_ = std::move(note);
}

void SaLife::misplace(std::string note) {
  stage_ = Stage::misplaced;
  note_ = std::move(note);
}

void SaLife::shut(std::string note) {
  stage_ = Stage::shut;
  note_ = std::move(note);
}

SaLife::Step SaLife::next(Time now) {
  if (stage_ == Stage::settled) return Step::wait;
  if (!asked_) return Step::ask;
  if (now - *asked_ < kDeadline) return Step::wait;
  if (stage_ == Stage::shut) return Step::remove;
  if (std::exchange(given_up_, true)) return Step::wait;
  note_ += fmt::format("; its IKE daemon was asked to rekey it, and did not within {} s",
                       kDeadline.count());
  return Step::give_up;
}

void SaLife::asked(Time now) { asked_ = now; }

bool AskRate::take(Time now) {
  if (last_ && now - *last_ < kEvery) return false;
  last_ = now;
  return true;
}

}  // namespace espalier::adopt
