// SPDX-License-Identifier: Apache-2.0
//
// Strict reverse path filtering (rp_filter = 1): the kernel drops a packet from an address to which
// it would not send by the interface that the packet came in by. Where a TUN device leads to the
// peers' own addresses, that is true of each of the tunnels' packets.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::io {

// The interfaces that are strict, but for `lo` and `tun`, in order; `settings` as
// /proc/sys/net/ipv4/conf.
std::vector<std::string> strict_reverse_path(const std::filesystem::path& settings,
                                             const std::string& tun);
std::string strict_words(const std::vector<std::string>& interfaces);  // what to do about them

}  // namespace espalier::io
