// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <sys/socket.h>

namespace espalier::io {

// Writes the endpoint in the form that the system wants; gives its length.
socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) noexcept;

// The endpoint in a sockaddr_in or sockaddr_in6. For any other: 0.0.0.0, port 0.
Endpoint from_sockaddr(const sockaddr_storage& address) noexcept;

}  // namespace espalier::io
