// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <string>
#include <system_error>

namespace espalier::io {

// The system's words for an errno.
inline std::string words_of(int error) { return std::generic_category().message(error); }

}  // namespace espalier::io
