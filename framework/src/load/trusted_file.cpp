// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <load/trusted_file.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

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

bool is_shared(const struct stat& found, PathRole role) {
  return role == PathRole::ancestor && (found.st_mode & S_ISVTX) != 0 &&
         (found.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

struct Walk {
  const Viewer viewer = this_viewer();
  bool below_shared = false;
};

Result<Descriptor> open_step(int folder, const fs::path& name, const fs::path& whole, PathRole role,
                             Walk& walk) {
  // O_NONBLOCK: a FIFO must not make us wait.
  const int how = role == PathRole::file ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
  Descriptor step(openat(folder, name.c_str(), how | O_NOFOLLOW | O_CLOEXEC));
  if (!step) return std::unexpected(cannot_open(folder, name, subject(whole, role)));
  struct stat found{};
  if (fstat(step.get(), &found) != 0)
    return fail(ErrorCode::io, fmt::format("{} cannot be looked at: {}", subject(whole, role),
                                           std::strerror(errno)));
  if (const std::string why = distrust(found, role, walk.viewer, walk.below_shared); !why.empty())
    return fail(ErrorCode::permission, fmt::format("{} {}", subject(whole, role), why));
  walk.below_shared = walk.below_shared || is_shared(found, role);
  return step;
}

}  // namespace

std::optional<uid_t> unmapped_owner(std::string_view uid_map, uid_t overflow) {
  std::istringstream map{std::string(uid_map)};
  std::uint64_t inside = 0, outside = 0, count = 0;
  while (map >> inside >> outside >> count) {
    if (outside == 0 || (overflow >= inside && overflow - inside < count)) return std::nullopt;
  }
  return overflow;
}

Viewer this_viewer() {
  std::ifstream map("/proc/self/uid_map"), number("/proc/sys/kernel/overflowuid");
  const std::string text(std::istreambuf_iterator<char>(map), {});
  uid_t overflow = 0;
  if (!(number >> overflow)) return {.user = geteuid()};
  return {.user = geteuid(), .unmapped = unmapped_owner(text, overflow)};
}

std::string distrust(const struct stat& found, PathRole role, const Viewer& viewer,
                     bool below_shared) {
  if (role == PathRole::file && !S_ISREG(found.st_mode)) return "is not a regular file";
  const bool unmapped = found.st_uid == viewer.unmapped;
  if (unmapped && below_shared)
    return "belongs to a user that this user namespace does not know, below a folder that anybody "
           "can write to: use a copy of your own";
  if (!unmapped && found.st_uid != 0 && found.st_uid != viewer.user)
    return fmt::format(
        "belongs to user {}, neither to root nor to the user {} of this process: "
        "chown it",
        found.st_uid, viewer.user);
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
  Walk walk;
  auto step = open_step(AT_FDCWD, so_far, so_far, PathRole::ancestor, walk);
  for (const fs::path& name : whole.relative_path()) {
    if (!step) return step;
    so_far /= name;
    const auto role = so_far == whole                 ? PathRole::file
                      : so_far == whole.parent_path() ? PathRole::folder
                                                      : PathRole::ancestor;
    step = open_step(step->get(), name, so_far, role, walk);
  }
  return step;
}

}  // namespace espalier::load
