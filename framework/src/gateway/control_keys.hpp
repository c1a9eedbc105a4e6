// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>
#include <espalier/secret.hpp>

#include <span>

namespace espalier {

// Takes the keys out of a request before any parser sees it: the hex strings named "cipher",
// "salt" and "integrity" become secret bytes, and '*' in the text. What could be a key but is not
// written as one (another name or no string under "keys", a name with an escape) is an error, so
// that no parser copies it. Text that is not JSON is left for the parser to refuse. An error never
// holds a key.
Result<SaKeys> lift_keys(std::span<char> json, SecretPool& secrets);

// That the keys have the lengths that the transform takes; `sa` is named in the sentence.
Result<void> validate_keys(const SaSpec& sa, const SaKeys& keys);

}  // namespace espalier
