// SPDX-License-Identifier: Apache-2.0
#include "gateway/made_folders.hpp"

#include "io/descriptor.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace espalier {

namespace fs = std::filesystem;

MadeFolders::MadeFolders(const fs::path& folder) {
  std::error_code error;
  for (fs::path at = folder; !at.empty() && !fs::exists(at, error); at = at.parent_path())
    folders_.push_back(at);
  std::ranges::reverse(folders_);
  std::erase_if(folders_, [&](const fs::path& at) { return !fs::create_directory(at, error); });
}

MadeFolders::~MadeFolders() {
  for (; !folders_.empty(); folders_.pop_back()) {
    const fs::path& folder = folders_.back();
    const io::Descriptor lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 || ::rmdir(folder.c_str()) != 0)
      return;
  }
}

MadeFolders::MadeFolders(MadeFolders&& other) noexcept
    : folders_(std::exchange(other.folders_, {})) {}

MadeFolders& MadeFolders::operator=(MadeFolders&& other) noexcept {
  std::swap(folders_, other.folders_);
  return *this;
}

}  // namespace espalier
