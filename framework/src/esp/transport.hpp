// SPDX-License-Identifier: Apache-2.0
//
// Transport mode (RFC 4303 3.1.1): one IP header, that of the packet itself, which the port writes
// and takes away as it does any outer header.
#pragma once

#include "esp/sa_state.hpp"

namespace espalier::esp {

// `packet` is the payload that came through transport mode: puts its IP header before it, of the
// SA's ends and of what the port saw of the header on the wire. A checksum of TCP or UDP is made
// anew if the SA is in UDP, where a NAT may have changed the addresses that the peer's was over
// (RFC 3948 3.1.2).
[[gnu::noinline]] void restore_ip_header(Packet& packet, const InboundSa& sa,
                                         std::uint8_t protocol) noexcept;

}  // namespace espalier::esp
