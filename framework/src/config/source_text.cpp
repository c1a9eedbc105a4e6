// SPDX-License-Identifier: Apache-2.0
#include "config/source_text.hpp"

#include <espalier/secret.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace espalier::config {
namespace {

constexpr std::size_t kFirstBuffer = 64UL * 1024;
constexpr int kWriterMilliseconds = 5000;
constexpr std::size_t kLongestFile = 256UL * 1024 * 1024;

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
      return ErrorCode::permission;
    default:
      return ErrorCode::io;
  }
}

}  // namespace

SourceText::SourceText(std::size_t capacity)
    : data_(std::make_unique_for_overwrite<char[]>(capacity)), capacity_(capacity) {}

SourceText::~SourceText() {
  if (data_) wipe(data_.get(), size_);
}

SourceText::SourceText(SourceText&& other) noexcept
    : data_(std::move(other.data_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SourceText& SourceText::operator=(SourceText&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

void SourceText::append(std::string_view text) noexcept {
  std::ranges::copy(text, room().begin());
  grow(text.size());
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Descriptor::Descriptor(Descriptor&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

std::unexpected<Error> system_failure(std::string_view doing, const std::filesystem::path& file,
                                      int error_number) {
  return fail(code_of(error_number), fmt::format("cannot {} {}: {}", doing, file.string(),
                                                 std::generic_category().message(error_number)));
}

Result<SourceText> read_all(const Descriptor& descriptor, const std::filesystem::path& file) {
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) return system_failure("read", file, errno);
  // One byte more than the file has, so that its end shows without growing the buffer.
  const auto expected = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  SourceText text(std::max(std::min(expected, kLongestFile) + 1, kFirstBuffer));
  for (;;) {
    if (text.room().empty()) {
      if (text.capacity() > kLongestFile)
        return fail(ErrorCode::invalid, fmt::format("{} is longer than {} MiB", file.string(),
                                                    kLongestFile / (1024UL * 1024)));
      SourceText larger(text.capacity() * 2);
      larger.append(text.view());
      text = std::move(larger);
    }
    const ssize_t got = ::read(descriptor.get(), text.room().data(), text.room().size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("read", file, errno);
    if (got == 0) return text;
    text.grow(static_cast<std::size_t>(got));
  }
}

namespace {

// A pipe into which nobody writes must not hang the caller, and is not an empty file.
Result<void> wait_for_writer(const Descriptor& pipe, const std::filesystem::path& file) {
  pollfd waiting{pipe.get(), POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&waiting, 1, kWriterMilliseconds);
  while (ready < 0 && errno == EINTR);
  if (ready == 1 && (waiting.revents & POLLIN) != 0) return {};
  return fail(ErrorCode::io, fmt::format("{} is a pipe, and nobody has written into it within {} s",
                                         file.string(), kWriterMilliseconds / 1000));
}

}  // namespace

Result<ConfigText> read_config_text(const std::filesystem::path& file) {
  const bool input = file == "-";
  const Descriptor descriptor(input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return system_failure("open", file, errno);
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) return system_failure("read", file, errno);
  if (!input) {  // only the opening was not to wait
    if (S_ISFIFO(status.st_mode))
      if (auto written = wait_for_writer(descriptor, file); !written)
        return std::unexpected(std::move(written.error()));
    const int flags = ::fcntl(descriptor.get(), F_GETFL);
    ::fcntl(descriptor.get(), F_SETFL, flags & ~O_NONBLOCK);
  }
  auto text = read_all(descriptor, file);
  if (!text) return std::unexpected(std::move(text.error()));
  const bool shared = S_ISREG(status.st_mode) && (status.st_mode & 077) != 0;
  return ConfigText{std::move(*text), shared};
}

namespace {

Result<Descriptor> open_secret(int folder, const char* name, const std::filesystem::path& file,
                               Owner owner) {
  // O_NONBLOCK: a FIFO in its place must not hang the caller; regular files do not care.
  Descriptor descriptor(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!descriptor && errno == ELOOP)
    return fail(ErrorCode::permission,
                fmt::format("{} is a symbolic link: name the file itself", file.string()));
  if (!descriptor) return system_failure("open", file, errno);
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) return system_failure("read", file, errno);
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::permission, fmt::format("{} is not a regular file", file.string()));
  const uid_t self = ::geteuid();
  if (status.st_uid != self && !(owner == Owner::caller_or_root && status.st_uid == 0))
    return fail(ErrorCode::permission,
                fmt::format("{} belongs to user {}, but keys are only read from files of user {}: "
                            "chown it",
                            file.string(), status.st_uid, self));
  if ((status.st_mode & 077) != 0)
    return fail(ErrorCode::permission,
                fmt::format("others can open {} (mode {:04o}), so its keys are not secret: make "
                            "new ones, and chmod 600",
                            file.string(), status.st_mode & 07777));
  return descriptor;
}

}  // namespace

Result<void> check_only_owner_writes(const Descriptor& folder, const std::filesystem::path& path) {
  struct stat status{};
  if (::fstat(folder.get(), &status) != 0) return system_failure("read", path, errno);
  const bool sticky = (status.st_mode & S_ISVTX) != 0;
  if (sticky || (status.st_mode & 022) == 0) return {};
  return fail(ErrorCode::permission,
              fmt::format("others can write to the folder {} (mode {:04o}), and so put keys of "
                          "theirs in place of yours: chmod go-w it",
                          path.string(), status.st_mode & 07777));
}

Result<Descriptor> open_secret_file(const std::filesystem::path& file, Owner owner) {
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  const Descriptor folder(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_failure("open", file, errno);
  return open_secret_file(folder, file, owner);
}

Result<Descriptor> open_secret_file(const Descriptor& folder, const std::filesystem::path& file,
                                    Owner owner) {
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  if (auto safe = check_only_owner_writes(folder, parent); !safe)
    return std::unexpected(std::move(safe.error()));
  return open_secret(folder.get(), file.filename().c_str(), file, owner);
}

}  // namespace espalier::config
