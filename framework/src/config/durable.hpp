// SPDX-License-Identifier: Apache-2.0
//
// Files and folders that are on disk when a function returns, even if the power fails then.
#pragma once

#include "config/source_text.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace espalier::config {

// Makes the folder and those above it, mode 0700, where they are missing.
Result<void> make_folder(const std::filesystem::path& folder);

Result<Descriptor> open_folder(const std::filesystem::path& folder);

// To disk: a file's bytes, or which names a folder has.
Result<void> sync(const Descriptor& descriptor, const std::filesystem::path& path);

// The same for everything on the file system of an open folder: for thousands of new files, which
// would take minutes one by one.
Result<void> sync_all(const Descriptor& folder, const std::filesystem::path& path);

// Creates `file` (its last part, in the open `folder`), mode 0600, and writes `text`; not synced.
// What cannot be written whole is removed again. ErrorCode::conflict if it exists.
Result<Descriptor> create_file(const Descriptor& folder, const std::filesystem::path& file,
                               std::string_view text);

// Removes `file` (its last part, in the open `folder`), as far as that can be done; not synced.
void remove_file(const Descriptor& folder, const std::filesystem::path& file);

// "2026-07-01 12:00:00 UTC"
std::string utc(std::int64_t seconds_since_1970);

}  // namespace espalier::config
