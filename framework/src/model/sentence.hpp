// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace espalier {

// What a person reads on a line of its own: with a capital, unless it begins with a name, and a
// full stop. Within sentences, and behind a place ("site.toml:3:1: error:"), neither is used.
std::string as_sentence(std::string_view text);  // control characters but '\n' escaped

}  // namespace espalier
