// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/key_file.hpp>

#include "config/key_file_text.hpp"

#include <functional>

namespace espalier::config {

// What a claim has done, in this order; keys are given after the last one alone. A crash before
// `recorded` leaves the keys unused and claimable; one after it leaves them unused and refused.
enum class ClaimStep { read, recorded, record_synced, state_synced, renamed, folder_synced };

// A key file that is about to be claimed: locked against other claims, and asked for all that could
// refuse one. Until take() nothing has changed, so that a start that cannot be uses up no keys.
class KeyFileClaim {
 public:
  // Refused as by claim_key_file().
  static Result<KeyFileClaim> prepare(const std::filesystem::path& file,
                                      const std::filesystem::path& state_directory,
                                      SecretPool& secrets, std::string_view site);

  // That it has keys for this SA, made for this transform.
  Result<void> check(std::string_view tunnel, Direction direction,
                     const Transform& transform) const;

  // Claims it; the keys may serve from now on.
  Result<std::vector<OneTimeKeys>> take() &&;

 private:
  friend Result<std::vector<OneTimeKeys>> claim_in_steps(
      const std::filesystem::path& file, const std::filesystem::path& state_directory,
      SecretPool& secrets, std::string_view site, const std::function<void(ClaimStep)>& after);
  Result<std::vector<OneTimeKeys>> take_in_steps(const std::function<void(ClaimStep)>& after);

  std::filesystem::path file_, record_;
  Descriptor folder_, locked_, state_;
  KeyFile keys_;
};

// The keys of an SA among those of a file, as KeyFile has them; a sentence where there are none, or
// for another transform.
Result<const OneTimeKeys*> find_keys(const std::vector<OneTimeKeys>& keys,
                                     const std::filesystem::path& file, std::string_view tunnel,
                                     Direction direction, const Transform& transform);

// claim_key_file(), with a call after each step.
Result<std::vector<OneTimeKeys>> claim_in_steps(const std::filesystem::path& file,
                                                const std::filesystem::path& state_directory,
                                                SecretPool& secrets, std::string_view site,
                                                const std::function<void(ClaimStep)>& after);

}  // namespace espalier::config
