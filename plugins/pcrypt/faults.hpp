// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace espalier::pcrypt {

// What is known to be wrong with pcrypt in a kernel of this release ("6.12.117+deb12-amd64"), as a
// sentence, or "". Only the series is looked at: makers of kernels bring fixes back into old ones,
// which nothing of the kernel itself tells, so the sentence says what to ask them for.
std::string faults_of(std::string_view release);

}  // namespace espalier::pcrypt
