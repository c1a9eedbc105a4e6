// SPDX-License-Identifier: Apache-2.0
#include "local_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <memory>

namespace espalier::cli {
namespace {

constexpr std::chrono::seconds kReadEvery{1};

}  // namespace

void LocalAddresses::read() {
  addresses_.clear();
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(first, &::freeifaddrs);
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(each->ifa_addr);
    if (each->ifa_addr->sa_family == AF_INET)
      addresses_.insert(
          IpAddress::from_bytes(Family::ipv4, bytes + offsetof(sockaddr_in, sin_addr)));
    if (each->ifa_addr->sa_family == AF_INET6)
      addresses_.insert(
          IpAddress::from_bytes(Family::ipv6, bytes + offsetof(sockaddr_in6, sin6_addr)));
  }
}

bool LocalAddresses::has(const IpAddress& address) {
  if (addresses_.contains(address)) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + kReadEvery;
  read();
  return addresses_.contains(address);
}

}  // namespace espalier::cli
