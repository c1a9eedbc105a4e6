// SPDX-License-Identifier: Apache-2.0
#include "config/durable.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace espalier::config {

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return {};
  const std::filesystem::path parent = folder.parent_path();
  if (parent != folder)
    if (auto made = make_folder(parent); !made) return made;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return system_failure("make the folder", folder, errno);
  const auto above = open_folder(parent.empty() ? "." : parent);
  if (!above) return std::unexpected(above.error());
  return sync(*above, parent);
}

Result<Descriptor> open_folder(const std::filesystem::path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor) return system_failure("open the folder", folder, errno);
  return descriptor;
}

Result<void> sync(const Descriptor& descriptor, const std::filesystem::path& path) {
  if (::fsync(descriptor.get()) != 0) return system_failure("write to disk", path, errno);
  return {};
}

Result<void> sync_all(const Descriptor& folder, const std::filesystem::path& path) {
  if (::syncfs(folder.get()) != 0) return system_failure("write to disk", path, errno);
  return {};
}

Result<Descriptor> create_file(const Descriptor& folder, const std::filesystem::path& file,
                               std::string_view text) {
  Descriptor descriptor(::openat(folder.get(), file.filename().c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!descriptor && errno == EEXIST)
    return fail(ErrorCode::conflict, fmt::format("{} exists already", file.string()));
  if (!descriptor) return system_failure("make", file, errno);
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      remove_file(folder, file);
      return system_failure("write", file, reason);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return descriptor;
}

void remove_file(const Descriptor& folder, const std::filesystem::path& file) {
  static_cast<void>(::unlinkat(folder.get(), file.filename().c_str(), 0));
}

std::string utc(std::int64_t seconds_since_1970) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::time_t{seconds_since_1970}));
}

}  // namespace espalier::config
