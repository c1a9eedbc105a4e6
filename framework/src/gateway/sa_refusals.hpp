// SPDX-License-Identifier: Apache-2.0
//
// What a gateway of either dataplane refuses before it asks a device or the kernel.
#pragma once

#include <espalier/result.hpp>
#include <espalier/sa.hpp>

#include <string_view>

namespace espalier {

Error name_taken(std::string_view sa);
Error no_such_sa(std::string_view sa);
Error keys_have_served(const SaSpec& sa);  // law 1

// That `sa` can come in the place of `old`. `taken`: another SA has its name.
Result<void> check_successor(const SaSpec& old, std::string_view old_name, const SaSpec& sa,
                             bool taken);

}  // namespace espalier
