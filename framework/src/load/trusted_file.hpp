// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <load/descriptor.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <string>

namespace espalier::load {

// What a step of a path is to the file at its end.
enum class PathRole {
  ancestor,  // a folder above the file's folder
  folder,    // the file's folder
  file,
};

// Why nobody but root and `user` could be sure of what is there, or "". All must belong to one of
// the two, and be writable by neither group nor others; only an ancestor may, if it is sticky (as
// /tmp is): there nobody else can rename or remove an entry that belongs to one of the two. The
// file's own folder may not, since anybody could add files to it.
std::string distrust(const struct stat& found, PathRole role, uid_t user);

// Opens a file for reading that nobody but root and the effective user can have made or changed.
// Walks down from / one descriptor at a time, follows no link, and judges each step on the very
// descriptor that the next one is opened from, so that nothing can be swapped in between.
// In errors the file itself is "it", a folder above it has its path.
Result<Descriptor> open_trusted(const std::filesystem::path& path);

}  // namespace espalier::load
