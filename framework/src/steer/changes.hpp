// SPDX-License-Identifier: Apache-2.0
//
// What we change in the kernel, and what of it is to be undone. Pure.
#pragma once

#include <espalier/result.hpp>

#include "steer/algorithm.hpp"
#include "steer/driver_choice.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::steer {

// A driver's priority: what it was, and every value that we may have given it since.
struct PriorityChange {
  std::string driver;
  std::uint32_t before = 0;
  std::vector<std::uint32_t> ours;

  friend bool operator==(const PriorityChange&, const PriorityChange&) = default;
};

// A file with a mask of CPUs: what it held, and every mask that we may have put there since.
struct MaskChange {
  std::filesystem::path file;
  std::string before;
  std::vector<std::string> ours;

  friend bool operator==(const MaskChange&, const MaskChange&) = default;
};

struct Changes {
  std::vector<std::string> made;  // instances that were not there
  std::vector<PriorityChange> priorities;
  std::vector<MaskChange> masks;

  bool empty() const noexcept { return made.empty() && priorities.empty() && masks.empty(); }
  // Each adds what we are about to do. Whether that was not in here yet. What somebody else has
  // done since our last change is what is gone back to from now on.
  bool will_make(const std::string& driver);
  bool will_set(const std::string& driver, std::uint32_t now, std::uint32_t then);
  bool will_set(const std::filesystem::path& file, const std::string& now, const std::string& then);

  friend bool operator==(const Changes&, const Changes&) = default;
};

std::string to_json(const Changes& changes, std::string_view boot);
// Of another boot there is nothing left: no changes.
Result<Changes> changes_from_json(std::string_view text, std::string_view boot);

struct Mask {
  std::filesystem::path file;
  std::string value;

  friend bool operator==(const Mask&, const Mask&) = default;
};

// How to go back. What is not as we left it, somebody else has changed since: it is left so, and
// not removed either.
struct Undo {
  std::vector<Priority> priorities;
  std::vector<std::string> remove;
  std::vector<Mask> masks;
  std::vector<std::string> left;  // sentences

  friend bool operator==(const Undo&, const Undo&) = default;
};
Undo undo_of(const Changes& changes, std::span<const Algorithm> now, std::span<const Mask> masks);

}  // namespace espalier::steer
