// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace espalier {

// A regular expression (ECMA 262) for every spelling that find_transform() takes. It matches some
// that are refused for what they mean, too ("aes256-none"): for editors, which cannot say why.
std::string transform_pattern();

}  // namespace espalier
