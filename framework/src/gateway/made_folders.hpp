// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

namespace espalier {

// The folders that somebody had to make for a file of theirs. Removed when destroyed, as far as
// nothing is in them. Whoever makes a file in such a folder holds a lock (flock) on it and looks
// whether it is still there.
class MadeFolders {
 public:
  MadeFolders() = default;
  // Makes what is missing of this path. Whether that went well is seen by using it.
  explicit MadeFolders(const std::filesystem::path& folder);
  ~MadeFolders();
  MadeFolders(MadeFolders&& other) noexcept;
  MadeFolders& operator=(MadeFolders&& other) noexcept;

 private:
  std::vector<std::filesystem::path> folders_;  // innermost last
};

}  // namespace espalier
