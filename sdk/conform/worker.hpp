// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>

namespace espalier::conform {

// True in a process that was started to run one case.
bool is_case_process();

// The inside of such a process: reads its job from the standard input, loads the plugin from
// load::Child::kImageFd, writes what it sees to kReportFd. Does not return.
[[noreturn]] void run_case_process(const espalier_plugin_entry& oracle);

inline constexpr int kKitFailed = 70;  // exit status of a case that failed by the kit's own fault
inline constexpr const char* kCaseArgument = "conform-case";

}  // namespace espalier::conform
