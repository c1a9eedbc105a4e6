// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

#include <cstdint>

namespace espalier::io {

// Makes the kernel give a datagram to socket number worker_of(SPI, workers) of the SO_REUSEPORT
// group that `fd` is in.
Result<void> steer_group_by_spi(int fd, std::uint32_t workers);

// A raw socket sees every ESP packet of the machine: makes it keep those with
// worker_of(SPI, workers) == worker.
Result<void> keep_own_spis(int fd, Family family, std::uint32_t worker, std::uint32_t workers);

}  // namespace espalier::io
