// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/netlink.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "config/source_text.hpp"
#include "steer/kernel.hpp"

#include <fmt/format.h>

namespace espalier::steer {
namespace {

using config::Descriptor;

constexpr const char* kProcCrypto = "/proc/crypto";
constexpr const char* kBoot = "/proc/sys/kernel/random/boot_id";
constexpr std::size_t kLongestDatagram = 1u << 18;  // a dump comes in a few
constexpr timeval kPatience{60, 0};                 // the kernel may have to load a module

std::string words_of(int error) { return std::generic_category().message(error); }

std::unexpected<Error> broken(std::string_view doing, int error) {
  return fail(ErrorCode::io,
              fmt::format("cannot {} the kernel's crypto netlink: {}", doing, words_of(error)));
}

// One line, as files of the kernel have it: written by one call.
Result<void> write_line(const std::filesystem::path& file, const std::string& value) {
  const Descriptor opened(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!opened) return config::system_failure("open", file, errno);
  const ssize_t written = ::write(opened.get(), value.data(), value.size());
  if (written < 0) return config::system_failure("set", file, errno);
  return {};
}

class ThisKernel final : public Kernel {
 public:
  Result<CryptoReply> exchange(const CryptoRequest& request) override {
    if (auto connected = connect(); !connected) return std::unexpected(connected.error());
    const Bytes bytes = encode(request, ++sequence_);
    if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) return broken("ask", errno);
    CryptoReply reply;
    while (!reply.ended) {
      const ssize_t size = ::recv(socket_.get(), room_.data(), room_.size(), MSG_TRUNC);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return broken("hear", errno);
      if (static_cast<std::size_t>(size) > room_.size()) return broken("hear", EMSGSIZE);
      const std::span<const std::uint8_t> datagram(room_.data(), static_cast<std::size_t>(size));
      if (auto read = decode(datagram, request, sequence_, reply); !read)
        return std::unexpected(read.error());
    }
    return reply;
  }

  Result<std::vector<Algorithm>> registered() override {
    auto read = sdk::read_proc_crypto(kProcCrypto);
    if (!read) return fail(ErrorCode::io, read.refusal().reason);
    return std::move(*read);
  }

  Result<std::string> setting(const std::filesystem::path& file) override {
    const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened)
      return fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io,
                  fmt::format("cannot read {}: {}", file.string(), words_of(errno)));
    std::array<char, 4096> text{};
    const ssize_t size = ::read(opened.get(), text.data(), text.size());
    if (size < 0) return config::system_failure("read", file, errno);
    const std::string_view line(text.data(), static_cast<std::size_t>(size));
    return std::string(line.substr(0, line.find('\n')));
  }

  Result<void> change_setting(const std::filesystem::path& file,
                              const std::string& value) override {
    return write_line(file, value);
  }

  bool has_module(const std::string& name) override {
    std::error_code error;
    if (std::filesystem::exists(std::filesystem::path("/sys/module") / name, error)) return true;
    utsname here{};
    if (::uname(&here) != 0) return false;
    std::ifstream built_in(std::filesystem::path("/lib/modules") / here.release /
                           "modules.builtin");
    for (std::string line; std::getline(built_in, line);) {
      std::string module = std::filesystem::path(line).stem();
      std::ranges::replace(module, '-', '_');
      if (module == name) return true;
    }
    return false;
  }

  Result<void> load_module(const std::string& name) override {
    const char* const arguments[] = {"modprobe", "-q", "--", name.c_str(), nullptr};
    const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
    pid_t child = 0;
    // Neither changes what it is given.
    const int error =
        ::posix_spawn(&child, "/sbin/modprobe", nullptr, nullptr,
                      const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
    if (error != 0)
      return fail(ErrorCode::io, fmt::format("cannot run /sbin/modprobe: {}", words_of(error)));
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(
        ErrorCode::unsupported,
        fmt::format("the kernel's module {} cannot be loaded: 'modprobe {}' says why", name, name));
  }

  Result<std::string> boot() override { return setting(kBoot); }

 private:
  Result<void> connect() {
    if (socket_) return {};
    Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_CRYPTO));
    if (!socket)
      return fail(errno == EPROTONOSUPPORT ? ErrorCode::unsupported : ErrorCode::io,
                  fmt::format("the kernel lets nobody choose its crypto drivers ({}): its module "
                              "crypto_user is missing",
                              words_of(errno)));
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) != 0)
      return broken("reach", errno);
    room_.resize(kLongestDatagram);
    socket_ = std::move(socket);
    return {};
  }

  Descriptor socket_;
  Bytes room_;
  std::uint32_t sequence_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> this_kernel() { return std::make_unique<ThisKernel>(); }

}  // namespace espalier::steer
