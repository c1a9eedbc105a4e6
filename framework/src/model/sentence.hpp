// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier {

// What a person reads on a line of its own: with a capital, unless it begins with a name, and a
// full stop. Within sentences, and behind a place ("site.toml:3:1: error:"), neither is used.
std::string as_sentence(std::string_view text);  // control characters but '\n' escaped

// "1 tunnel", "2 tunnels".
std::string counted(std::uint64_t number, std::string_view noun);

}  // namespace espalier
