// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace espalier::esp {

// Keeps something alive until the process ends: what a device that never let go may still use.
// Thread-safe.
void keep_until_exit(std::shared_ptr<void> thing);

}  // namespace espalier::esp
