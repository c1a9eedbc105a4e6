// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_socket.hpp"

#include "io/os_error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace espalier {
namespace {

using io::Descriptor;
namespace fs = std::filesystem;

constexpr int kBacklog = 16;
constexpr int kLockAttempts = 200;
constexpr std::chrono::milliseconds kLockPause{10};

Error failure(int error, std::string message) {
  const bool permission = error == EACCES || error == EPERM || error == EROFS;
  return {permission ? ErrorCode::permission : ErrorCode::io, std::move(message)};
}

Result<sockaddr_un> address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.empty() || text.size() >= sizeof address.sun_path)
    return fail(ErrorCode::invalid,
                fmt::format("The path of the control socket, '{}', must have 1 to {} bytes. Set a "
                            "shorter 'control_socket'.",
                            text, sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

Result<Descriptor> new_socket() {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket)
    return fail(ErrorCode::io,
                fmt::format("A Unix socket cannot be made: {}.", io::words_of(errno)));
  return socket;
}

int connect_to(int socket, const sockaddr_un& address) {
  const int result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 ? 0 : errno;
}

// Held while the file is looked at and made, so that two starts do not replace each other's.
Result<Descriptor> lock_folder(const fs::path& folder) {
  Descriptor lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock)
    return std::unexpected(failure(
        errno,
        fmt::format("The folder of the control socket, '{}', cannot be used: {}. Make it, or "
                    "set another 'control_socket'.",
                    folder.native(), io::words_of(errno))));
  for (int attempt = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (attempt == kLockAttempts)
      return fail(ErrorCode::transient,
                  fmt::format("Another program holds a lock on the folder of the control socket, "
                              "'{}': is a second Espalier starting there? Try again.",
                              folder.native()));
    std::this_thread::sleep_for(kLockPause);
  }
  return lock;
}

struct LockedFolder {
  MadeFolders made;
  Descriptor lock;  // given up before what was made is removed
};

// The folder is there as long as the lock is held: whoever made it may have removed it before.
Result<LockedFolder> make_and_lock(const fs::path& folder) {
  for (;;) {
    MadeFolders made(folder);
    auto lock = lock_folder(folder);
    if (!lock) return std::unexpected(lock.error());
    struct stat found{};
    if (::fstat(lock->get(), &found) != 0 || found.st_nlink > 0)
      return LockedFolder{std::move(made), std::move(*lock)};
  }
}

// Clears the way for a new socket at `path`.
Result<void> remove_stale(const fs::path& path, const sockaddr_un& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode))
    return fail(ErrorCode::conflict,
                fmt::format("'{}' exists and is no socket. Remove it, or set another "
                            "'control_socket'.",
                            path.native()));
  auto probe = new_socket();
  if (!probe) return std::unexpected(probe.error());
  be_patient(probe->get(), kControlPatience);
  const int error = connect_to(probe->get(), address);
  if (error == EAGAIN) return std::unexpected(control_silence(probe->get(), path));
  if (error == 0) {
    const auto owner = peer_credentials(probe->get());
    return fail(ErrorCode::conflict,
                fmt::format("Espalier is already running: pid {} serves '{}'. Stop it first, or "
                            "set another 'control_socket'.",
                            owner ? owner->pid : 0, path.native()));
  }
  if (error != ECONNREFUSED)
    return std::unexpected(
        failure(error, fmt::format("The control socket '{}' exists and cannot be tried: {}.",
                                   path.native(), io::words_of(error))));
  if (::unlink(path.c_str()) == 0) return {};
  return std::unexpected(
      failure(errno, fmt::format("The control socket '{}' of a process that has died cannot be "
                                 "removed: {}.",
                                 path.native(), io::words_of(errno))));
}

}  // namespace

Result<ControlSocket> ControlSocket::listen(const fs::path& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  auto folder = make_and_lock(path.has_parent_path() ? path.parent_path() : fs::path("."));
  if (!folder) return std::unexpected(folder.error());
  if (auto clear = remove_stale(path, *address); !clear) return std::unexpected(clear.error());
  auto socket = new_socket();
  if (!socket) return std::unexpected(socket.error());

  struct stat made{};
  const bool listening =
      ::fchmod(socket->get(), 0600) == 0 &&  // the file gets it at bind(): never wider
      ::bind(socket->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 &&
      ::lstat(path.c_str(), &made) == 0 && ::listen(socket->get(), kBacklog) == 0;
  if (!listening)
    return std::unexpected(failure(errno, fmt::format("The control socket '{}' cannot be made: {}. "
                                                      "Set another 'control_socket'.",
                                                      path.native(), io::words_of(errno))));
  ControlSocket control;
  control.folders_ = std::move(folder->made);
  control.socket_ = std::move(*socket);
  control.path_ = path;
  control.device_ = made.st_dev;
  control.inode_ = made.st_ino;
  return control;
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : folders_(std::move(other.folders_)),
      socket_(std::move(other.socket_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket::~ControlSocket() {
  struct stat found{};
  if (path_.empty() || ::lstat(path_.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) ::unlink(path_.c_str());
}

void be_patient(int socket, std::chrono::milliseconds patience) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const auto rest = std::chrono::microseconds(patience - seconds);
  const timeval limit{seconds.count(), rest.count()};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // holds for connect() too
}

Error control_silence(int socket, const fs::path& path) {
  timeval limit{};
  socklen_t size = sizeof limit;
  ::getsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, &size);
  const double seconds =
      static_cast<double>(limit.tv_sec) + static_cast<double>(limit.tv_usec) / 1e6;
  const auto owner = peer_credentials(socket);
  // Without a connection the kernel does not tell whose the socket is.
  const std::string process =
      owner && owner->pid > 0
          ? fmt::format("process {}: 'ps {}' shows whether it is stopped", owner->pid, owner->pid)
          : fmt::format("'fuser {}' names its process", path.native());
  return {ErrorCode::transient,
          fmt::format("The gateway at '{}' has not answered for {:.4g} s ({}). It may still do "
                      "later what was asked of it.",
                      path.native(), seconds, process)};
}

Result<Descriptor> connect_control(const fs::path& path, std::chrono::milliseconds patience) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  auto socket = new_socket();
  if (!socket) return socket;
  be_patient(socket->get(), patience);
  const int error = connect_to(socket->get(), *address);
  if (error == 0) return socket;
  if (error == EAGAIN) return std::unexpected(control_silence(socket->get(), path));
  struct stat found{};
  if (error == ECONNREFUSED && ::stat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode))
    return fail(
        ErrorCode::invalid,
        fmt::format("'{}' is no socket. Name the control socket of a gateway with --socket.",
                    path.native()));
  if (error == ENOENT || error == ECONNREFUSED)
    return fail(ErrorCode::not_found,
                fmt::format("No gateway is running at '{}'. Start one with 'espalier run CONFIG', "
                            "or name its socket with --socket.",
                            path.native()));
  if (error == EACCES || error == EPERM)
    return fail(ErrorCode::permission,
                fmt::format("No permission to talk to the gateway at '{}'. Only its own user and "
                            "root may.",
                            path.native()));
  return fail(ErrorCode::io, fmt::format("The gateway at '{}' cannot be reached: {}.",
                                         path.native(), io::words_of(error)));
}

std::optional<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerCredentials{credentials.pid, credentials.uid};
}

}  // namespace espalier
