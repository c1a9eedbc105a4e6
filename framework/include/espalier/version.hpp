// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace espalier {

// Of the shared library that is loaded, "0.1.0"; what was compiled against may differ.
std::string_view version() noexcept;

}  // namespace espalier
