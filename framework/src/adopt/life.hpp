// SPDX-License-Identifier: Apache-2.0
//
// What is to be done with an SA of an IKE daemon that is not where it should be: nothing but wait
// for its rekey, or ask for that. Pure: time is given.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace espalier::adopt {

using Time = std::chrono::steady_clock::time_point;

// One SA, from when it is first seen.
class SaLife {
 public:
  // A daemon that was asked for a rekey has this long.
  static constexpr std::chrono::seconds kDeadline{60};

  // It is where the policy wants it, or there is nothing to be done about it, and why.
  void settle(std::string note = {});
  // The policy wants it elsewhere, where its successor may be put when it is born.
  void misplace(std::string note);
  // Nothing passes it any more: it must be rekeyed, and goes if it is not.
  void shut(std::string note);

  enum class Step { wait, ask, give_up, remove };
  // ask: asked() is to be called when that was done. give_up is told once. remove: of one that is
  // shut, and that nobody has rekeyed: its owner does not know of it any more.
  Step next(Time now);
  // The daemon was asked; it is asked once in an SA's life.
  void asked(Time now);

  bool is_shut() const noexcept { return stage_ == Stage::shut; }
  const std::string& note() const noexcept { return note_; }

 private:
  enum class Stage { settled, misplaced, shut };

  Stage stage_ = Stage::settled;
  std::string note_;
  std::optional<Time> asked_;
  bool given_up_ = false;
};

// Not all daemons' SAs at once: a rekey costs both ends a key exchange.
class AskRate {
 public:
  static constexpr std::chrono::milliseconds kEvery{500};

  // Whether one more may be asked for now; counts it.
  bool take(Time now);

 private:
  std::optional<Time> last_;
};

}  // namespace espalier::adopt
