// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>

namespace espalier::xfrm {

inline std::uint16_t family_number(Family family) {
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

inline xfrm_address_t kernel_address(const IpAddress& address) {
  xfrm_address_t made{};
  std::memcpy(&made, address.bytes.data(), address.size());
  return made;
}

// Of a family that the kernel names; anything but AF_INET6 is IPv4.
inline IpAddress address_of(const xfrm_address_t& address, int family) {
  return IpAddress::from_bytes(family == AF_INET6 ? Family::ipv6 : Family::ipv4,
                               reinterpret_cast<const std::uint8_t*>(&address));
}

}  // namespace espalier::xfrm
