// SPDX-License-Identifier: Apache-2.0
//
// Plugins that were built with a sanitizer: what it finds is judged, and what it hides is not.
#pragma once

#include <conform/cases.hpp>
#include <conform/score.hpp>

#include <string>
#include <string_view>

namespace espalier::conform {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;  // this command itself
#else
inline constexpr bool kSanitized = false;
#endif

// Why a requirement that a sanitizer hides does not apply.
inline constexpr const char* kSanitizer = "a sanitizer is at work, whose own it would judge";

// A sanitizer has a thread, a heap and copies of memory of its own.
bool is_hidden(Req requirement);
void leave_out_what_a_sanitizer_hides(CaseResult& result);

// Of what a case printed: what a sanitizer found, with the innermost place; or the last line.
std::string telling_line(std::string_view output);
bool is_race(std::string_view output);
// What a case has broken that printed this.
Req broken_by_printing(std::string_view output, const Case& test);

}  // namespace espalier::conform
