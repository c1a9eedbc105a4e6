// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <string>
#include <string_view>

namespace espalier::steer {

// Sets of CPUs: as people write them, "0-3,8", and as the kernel's mask files have them, "10f" or,
// from 32 CPUs on, "1,0000000f". At least one CPU, the highest 4095.
Result<std::string> mask_of_cpus(std::string_view cpus);
// Those that are not among `present`; "" where all are. Both are lists.
Result<std::string> cpus_beyond(std::string_view cpus, std::string_view present);
Result<std::string> cpus_of_mask(std::string_view mask);

// Whether two masks are the same CPUs, however they are padded.
bool same_mask(std::string_view a, std::string_view b);

}  // namespace espalier::steer
