// SPDX-License-Identifier: Apache-2.0
#include <conform/score.hpp>

namespace espalier::conform {

std::string html_of(const Score& score) { return text_of(score, false); }

}  // namespace espalier::conform
