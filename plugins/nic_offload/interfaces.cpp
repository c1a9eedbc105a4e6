// SPDX-License-Identifier: Apache-2.0
#include "interfaces.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

namespace espalier::nic_offload {
namespace {

constexpr std::string_view kFeature = "esp-hw-offload";
constexpr std::uint32_t kBlockBits = 32;

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool ask(const std::string& interface, unsigned long request, ifreq& asked) const {
    interface.copy(asked.ifr_name, IFNAMSIZ - 1);
    return ::ioctl(fd_, request, &asked) == 0;
  }
  bool ethtool(const std::string& interface, void* command) const {
    ifreq asked{};
    asked.ifr_data = static_cast<char*>(command);
    return ask(interface, SIOCETHTOOL, asked);
  }

 private:
  int fd_;
};

// A command of ethtool with what follows it in memory.
template <class Command>
class Buffer {
 public:
  explicit Buffer(std::size_t more) : bytes_(sizeof(Command) + more) {}
  Command* operator->() { return reinterpret_cast<Command*>(bytes_.data()); }
  void* get() { return bytes_.data(); }
  const std::byte* rest() const { return bytes_.data() + sizeof(Command); }
  template <class T>
  T read(std::size_t at) const {
    T value;
    std::memcpy(&value, rest() + at, sizeof value);
    return value;
  }

 private:
  std::vector<std::byte> bytes_;
};

std::optional<std::uint32_t> number_of_features(const Socket& socket, const std::string& name) {
  Buffer<ethtool_sset_info> info(sizeof(std::uint32_t));
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = std::uint64_t{1} << ETH_SS_FEATURES;
  if (!socket.ethtool(name, info.get()) || info->sset_mask == 0) return std::nullopt;
  return info.read<std::uint32_t>(0);
}

// The number of the feature; it is the same for all interfaces, but differs between kernels.
std::optional<std::uint32_t> place_of_feature(const Socket& socket, const std::string& name) {
  const auto count = number_of_features(socket, name);
  if (!count) return std::nullopt;
  Buffer<ethtool_gstrings> strings(std::size_t{*count} * ETH_GSTRING_LEN);
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = *count;
  if (!socket.ethtool(name, strings.get())) return std::nullopt;
  const auto* const text = reinterpret_cast<const char*>(strings.rest());
  for (std::uint32_t i = 0; i < *count; ++i) {
    const char* const one = text + std::size_t{i} * ETH_GSTRING_LEN;
    if (std::string_view(one, ::strnlen(one, ETH_GSTRING_LEN)) == kFeature) return i;
  }
  return std::nullopt;
}

bool offloads(const Socket& socket, const std::string& name) {
  const auto place = place_of_feature(socket, name);
  if (!place) return false;
  const std::uint32_t blocks = *place / kBlockBits + 1;
  Buffer<ethtool_gfeatures> features(blocks * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = blocks;
  if (!socket.ethtool(name, features.get())) return false;
  const auto block =
      features.read<ethtool_get_features_block>((blocks - 1) * sizeof(ethtool_get_features_block));
  return (block.active >> (*place % kBlockBits) & 1U) != 0;
}

std::string text_of(const char* field, std::size_t size) { return {field, ::strnlen(field, size)}; }

void read_driver(const Socket& socket, const std::string& name, Interface& interface) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (!socket.ethtool(name, &info)) return;
  interface.driver = text_of(info.driver, sizeof info.driver);
  interface.bus = text_of(info.bus_info, sizeof info.bus_info);
}

std::string active_member(const std::string& bond) {
  std::ifstream file("/sys/class/net/" + bond + "/bonding/active_slave");
  std::string name;
  file >> name;
  return name;
}

bool is_up(const Socket& socket, const std::string& name) {
  ifreq asked{};
  return socket.ask(name, SIOCGIFFLAGS, asked) && (asked.ifr_flags & IFF_UP) != 0;
}

}  // namespace

std::vector<Interface> offloading_interfaces() {
  const Socket socket;
  std::vector<Interface> found;
  const auto free = [](struct if_nameindex* list) { ::if_freenameindex(list); };
  const std::unique_ptr<struct if_nameindex, decltype(free)> all(::if_nameindex(), free);
  for (const auto* one = all.get(); one != nullptr && one->if_index != 0; ++one) {
    const std::string name = one->if_name;
    if (!offloads(socket, name)) continue;
    Interface& interface = found.emplace_back(Interface{
        .name = name, .index = one->if_index, .driver = "", .bus = "", .up = is_up(socket, name)});
    read_driver(socket, name, interface);
    if (interface.driver != "bonding") continue;
    if (const std::string member = active_member(name); !member.empty())
      read_driver(socket, member, interface);
  }
  return found;
}

}  // namespace espalier::nic_offload
