// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <load/descriptor.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace espalier::load {

// What a step of a path is to the file at its end.
enum class PathRole {
  ancestor,  // a folder above the file's folder
  folder,    // the file's folder
  file,
};

// Who judges a path.
struct Viewer {
  uid_t user = 0;
  // What the kernel shows for an owner that the user namespace does not map, where root is one of
  // them: in the namespace of an ordinary user (`unshare -Ur`) all files of the system show it.
  std::optional<uid_t> unmapped{};
};

// The owner that a process with this /proc/self/uid_map cannot tell from root, if there is one.
// None where root is mapped, or where the overflow user is itself a user of the namespace.
std::optional<uid_t> unmapped_owner(std::string_view uid_map, uid_t overflow);

// This process.
Viewer this_viewer();

// Why nobody but root and the user could be sure of what is there, or "". All must belong to one of
// the two, and be writable by neither group nor others; only an ancestor may, if it is sticky (as
// /tmp is): there nobody else can rename or remove an entry that belongs to one of the two. The
// file's own folder may not, since anybody could add files to it. What belongs to an unmapped owner
// counts as root's, but not below such a shared folder, where anybody may have put it.
std::string distrust(const struct stat& found, PathRole role, const Viewer& viewer,
                     bool below_shared = false);

// Opens a file for reading that nobody but root and the effective user can have made or changed.
// Walks down from / one descriptor at a time, follows no link, and judges each step on the very
// descriptor that the next one is opened from, so that nothing can be swapped in between.
// In errors the file itself is "it", a folder above it has its path.
Result<Descriptor> open_trusted(const std::filesystem::path& path);

}  // namespace espalier::load
