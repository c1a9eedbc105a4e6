// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>

#include <vector>

namespace espalier::load {

// What a backend says of its devices now, read through its table and believed only where it can be
// true: the first lie (an absurd count, a text without an end, a value that the ABI does not know,
// two devices of one name) makes the whole answer an error that says which it was. [control]
Result<std::vector<Device>> describe(const espalier_backend& table);

}  // namespace espalier::load
