// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace espalier {

// Text that came from anywhere (names of files and devices, words of a plugin), as a terminal may
// have it: control characters but those of `kept` are written as in JSON, "\u001b".
std::string escaped(std::string_view text, std::string_view kept = {});

}  // namespace espalier
