// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace espalier::io {

// What stands in front of each packet of a TUN device with IFF_VNET_HDR: the kernel's struct
// virtio_net_hdr, in the host's byte order. It is written out here because Debian 12's headers are
// older than the kernels that it runs on.
struct VirtioHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;  // flags
  static constexpr std::uint8_t kGsoNone = 0;        // gso_type
  static constexpr std::uint8_t kGsoTcp4 = 1;
  static constexpr std::uint8_t kGsoTcp6 = 4;
  static constexpr std::uint8_t kGsoUdp = 5;     // each segment a datagram; since Linux 6.2
  static constexpr std::uint8_t kGsoEcn = 0x80;  // with TCP: CWR is set, which is the first's alone

  std::uint8_t flags = 0;
  std::uint8_t gso_type = kGsoNone;
  std::uint16_t header_length = 0;   // a hint only
  std::uint16_t gso_size = 0;        // payload of each segment; the last may have less
  std::uint16_t checksum_start = 0;  // where the transport header begins
  std::uint16_t checksum_offset =
      0;  // of the checksum, from there; it holds the pseudo-header's sum
};
static_assert(sizeof(VirtioHeader) == 10);

}  // namespace espalier::io
