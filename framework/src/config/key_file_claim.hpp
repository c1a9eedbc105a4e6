// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/key_file.hpp>

#include <functional>

namespace espalier::config {

// What a claim has done, in this order; keys are given after the last one alone. A crash before
// `recorded` leaves the keys unused and claimable; one after it leaves them unused and refused.
enum class ClaimStep { read, recorded, record_synced, state_synced, renamed, folder_synced };

// claim_key_file(), with a call after each step.
Result<std::vector<OneTimeKeys>> claim_in_steps(const std::filesystem::path& file,
                                                const std::filesystem::path& state_directory,
                                                SecretPool& secrets, std::string_view site,
                                                const std::function<void(ClaimStep)>& after);

}  // namespace espalier::config
