// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <load/trusted_file.hpp>

#include <cerrno>
#include <cstring>

namespace espalier::load {
namespace {

namespace fs = std::filesystem;

// The file itself is named by whoever asks for it.
std::string subject(const fs::path& whole, PathRole role) {
  return role == PathRole::file ? "it" : whole.string();
}

Error cannot_open(int folder, const fs::path& name, const std::string& subject) {
  const int reason = errno;
  struct stat found{};
  if (fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(found.st_mode))
    return {
        ErrorCode::permission,
        fmt::format("{} is a symbolic link, which is not followed: give the real path", subject)};
  const auto code = reason == ENOENT   ? ErrorCode::not_found
                    : reason == EACCES ? ErrorCode::permission
                                       : ErrorCode::io;
  return {code, fmt::format("{} cannot be opened: {}", subject, std::strerror(reason))};
}

Result<Descriptor> open_step(int folder, const fs::path& name, const fs::path& whole,
                             PathRole role) {
  // O_NONBLOCK: a FIFO must not make us wait.
  const int how = role == PathRole::file ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
  Descriptor step(openat(folder, name.c_str(), how | O_NOFOLLOW | O_CLOEXEC));
  if (!step) return std::unexpected(cannot_open(folder, name, subject(whole, role)));
  struct stat found{};
  if (fstat(step.get(), &found) != 0)
    return fail(ErrorCode::io, fmt::format("{} cannot be looked at: {}", subject(whole, role),
                                           std::strerror(errno)));
  if (const std::string why = distrust(found, role, geteuid()); !why.empty())
    return fail(ErrorCode::permission, fmt::format("{} {}", subject(whole, role), why));
  return step;
}

}  // namespace

std::string distrust(const struct stat& found, PathRole role, uid_t user) {
  if (role == PathRole::file && !S_ISREG(found.st_mode)) return "is not a regular file";
  if (found.st_uid != 0 && found.st_uid != user)
    return fmt::format(
        "belongs to user {}, neither to root nor to the user {} of this process: "
        "chown it",
        found.st_uid, user);
  const bool shielded = role == PathRole::ancestor && (found.st_mode & S_ISVTX) != 0;
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !shielded)
    return fmt::format("can be changed by its {} (mode {:04o}): chmod go-w",
                       (found.st_mode & S_IWOTH) != 0 ? "group or by anybody" : "group",
                       found.st_mode & 07777u);
  return "";
}

Result<Descriptor> open_trusted(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error).lexically_normal();
  if (error || !whole.has_filename())
    return fail(ErrorCode::invalid, fmt::format("'{}' is not the path of a file", path.string()));

  fs::path so_far = "/";
  auto step = open_step(AT_FDCWD, so_far, so_far, PathRole::ancestor);
  for (const fs::path& name : whole.relative_path()) {
    if (!step) return step;
    so_far /= name;
    const auto role = so_far == whole                 ? PathRole::file
                      : so_far == whole.parent_path() ? PathRole::folder
                                                      : PathRole::ancestor;
    step = open_step(step->get(), name, so_far, role);
  }
  return step;
}

}  // namespace espalier::load
