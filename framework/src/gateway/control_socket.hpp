// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "gateway/made_folders.hpp"
#include "io/descriptor.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>

namespace espalier {

inline constexpr std::size_t kMaxControlLine = 64 * 1024;  // with its newline

// How long a gateway may be silent. A hundred thousand SAs take it a second, where it is well.
inline constexpr std::chrono::milliseconds kControlPatience{10'000};

// A listening Unix socket at `path`, mode 0600. The socket file of a process that has died is
// replaced; one that is served is refused with the pid of who does. Removed when destroyed, if it
// is still this one, together with the folders that were made for it.
class ControlSocket {
 public:
  static Result<ControlSocket> listen(const std::filesystem::path& path);
  ~ControlSocket();
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;

  // Gives the descriptor away, to be accepted on; the file stays this object's.
  io::Descriptor take_descriptor() noexcept { return std::move(socket_); }

 private:
  ControlSocket() = default;

  MadeFolders folders_;
  io::Descriptor socket_;
  std::filesystem::path path_;  // "" once moved from
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Connects to a gateway; the error says when none is running. Each wait on the socket, from the
// first on, ends after `patience` with EAGAIN.
Result<io::Descriptor> connect_control(const std::filesystem::path& path,
                                       std::chrono::milliseconds patience = kControlPatience);
void be_patient(int socket, std::chrono::milliseconds patience);  // zero: without end

// What is to be said of the gateway at `path` when such a wait ended in vain.
Error control_silence(int socket, const std::filesystem::path& path);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
};
std::optional<PeerCredentials> peer_credentials(int socket);

}  // namespace espalier
