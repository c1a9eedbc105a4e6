// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>

namespace espalier::xfrm {

// The last resort of the kernel's dataplane, as the backend `kernel`: one device, `software`, which
// takes every SA and leaves it to the kernel which of its crypto drivers it uses.
inline constexpr const char* kSoftwareBackend = "kernel";
extern const espalier_plugin_entry kSoftwareEntry;

}  // namespace espalier::xfrm
