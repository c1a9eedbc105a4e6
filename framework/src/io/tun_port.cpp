// SPDX-License-Identifier: Apache-2.0
#include <espalier/tun_port.hpp>

#include "io/descriptor.hpp"
#include "io/offload_queue.hpp"
#include "io/os_error.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace espalier {
namespace {

using io::Descriptor;

constexpr const char* kTunDevice = "/dev/net/tun";

// Of TUNSETOFFLOAD. USO came with Linux 6.2, so that Debian 12's headers do not have it.
constexpr unsigned kTcpOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
constexpr unsigned kUdpOffloads = 0x20 | 0x40;

// One queue of a TUN device without offloads: each packet is a system call.
class TunPort final : public PacketPort {
 public:
  explicit TunPort(Descriptor queue) : queue_(std::move(queue)) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    std::size_t received = 0;
    while (received < packets.size() && read_one(*packets[received])) ++received;
    return received;
  }

  std::size_t send(std::span<Packet* const> packets) noexcept override {
    std::size_t sent = 0;
    for (const Packet* packet : packets) {
      ssize_t wrote = 0;
      do {
        wrote = ::write(queue_.get(), packet->data(), packet->length);
      } while (wrote < 0 && errno == EINTR);
      if (wrote >= 0) ++sent;
    }
    return sent;
  }

  int descriptor() const noexcept override { return queue_.get(); }
  bool look_at_error() noexcept override { return io::is_attached(queue_.get()); }

 private:
  bool read_one(Packet& packet) noexcept {
    ssize_t got = 0;
    do {
      got =
          ::read(queue_.get(), packet.buffer + kHeadroom, packet.capacity - kHeadroom - kTailroom);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    packet.offset = kHeadroom;
    packet.length = static_cast<std::uint32_t>(got);
    packet.wire = {};
    return true;
  }

  Descriptor queue_;
};

Error open_error(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return {ErrorCode::unsupported,
              fmt::format("There is no {} on this machine, so that no TUN device can be made. Load "
                          "the kernel module with 'modprobe tun'; in a container, pass the device "
                          "in.",
                          kTunDevice)};
    case EACCES:
    case EPERM:
      return {ErrorCode::permission,
              fmt::format("No permission to open {}. Run as root, or let this user open it "
                          "('chmod 0666 {}', as Debian's udev does).",
                          kTunDevice, kTunDevice)};
    default:
      return {ErrorCode::io,
              fmt::format("{} cannot be opened: {}.", kTunDevice, io::words_of(error))};
  }
}

Error attach_error(const std::string& name, int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return {ErrorCode::permission,
              fmt::format("No permission to make the TUN device '{}'. Run as root or with "
                          "CAP_NET_ADMIN, or try it out in namespaces of your own with "
                          "'unshare -Urn'.",
                          name)};
    case EBUSY:
    case EEXIST:
      return {ErrorCode::conflict,
              fmt::format("There is a network interface '{}' already, so that no TUN device of "
                          "that name can be made. Is Espalier running? Otherwise give the site "
                          "another TUN name, or remove it with 'ip link delete {}'.",
                          name, name)};
    default:
      return {ErrorCode::io,
              fmt::format("The TUN device '{}' cannot be made: {}.", name, io::words_of(error))};
  }
}

bool kernel_has_headers(int fd) noexcept {
  unsigned features = 0;
  return ::ioctl(fd, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR) != 0;
}

bool set_offloads(int fd, unsigned offloads) noexcept {
  return ::ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(offloads)) == 0;
}

Result<std::unique_ptr<PacketPort>> open_queue(const std::string& name, const TunOptions& options,
                                               bool first) {
  Descriptor fd(::open(kTunDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::unexpected(open_error(errno));
  const bool headers = options.offloads && kernel_has_headers(fd.get());
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  unsigned flags = IFF_TUN | IFF_NO_PI;
  if (headers) flags |= IFF_VNET_HDR;
  if (options.queues > 1) flags |= IFF_MULTI_QUEUE;
  if (first) flags |= IFF_TUN_EXCL;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return std::unexpected(attach_error(name, errno));
  if (!headers) return std::make_unique<TunPort>(std::move(fd));
  const bool udp = set_offloads(fd.get(), kTcpOffloads | kUdpOffloads);
  if (!udp) (void)set_offloads(fd.get(), kTcpOffloads);  // without, packets come one by one
  return io::make_offload_queue(std::move(fd), udp);
}

}  // namespace

Result<void> validate_interface_name(const std::string& name) {
  const auto refused = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '/' || c == '%' || c == ':' || byte <= ' ' || byte == 0x7f;
  };
  if (name.size() >= IFNAMSIZ)
    return fail(ErrorCode::invalid,
                fmt::format("The interface name '{}' is {} bytes long; Linux takes at most {}.",
                            name, name.size(), IFNAMSIZ - 1));
  if (name.empty() || name == "." || name == ".." || std::ranges::any_of(name, refused))
    return fail(ErrorCode::invalid,
                fmt::format("'{}' cannot be an interface name: use letters, digits, '-' and '_', "
                            "such as 'esp0'.",
                            name));
  return {};
}

Result<std::vector<std::unique_ptr<PacketPort>>> open_tun(const std::string& name,
                                                          const TunOptions& options) {
  if (auto valid = validate_interface_name(name); !valid) return std::unexpected(valid.error());
  if (options.queues == 0) return fail(ErrorCode::invalid, "A TUN device needs at least 1 queue.");
  std::vector<std::unique_ptr<PacketPort>> ports;
  for (std::uint32_t i = 0; i < options.queues; ++i) {
    auto queue = open_queue(name, options, i == 0);
    if (!queue) return std::unexpected(queue.error());
    ports.push_back(std::move(*queue));
  }
  return ports;
}

}  // namespace espalier
