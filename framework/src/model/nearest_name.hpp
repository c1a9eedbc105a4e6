// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

// How many single-character edits (insert, remove, replace, swap of neighbours) turn one text into
// the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

// The known name that a person most likely meant: the nearest one, the first of equals, if at most
// about a third of it is wrong. Case is ignored.
std::optional<std::string_view> nearest_name(std::span<const std::string_view> known,
                                             std::string_view name);

// "; did you mean 'X'?", or "" if nothing is near. For the end of an error sentence.
std::string did_you_mean(std::span<const std::string_view> known, std::string_view name);

}  // namespace espalier
