// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// The SPI and keys of one SA, as a one-time key file holds them.
struct OneTimeKeys {
  std::string tunnel;
  Direction direction = Direction::outbound;  // seen from the site whose file it is
  std::uint32_t spi = 0;
  Transform transform;
  SaKeys keys;
};

// Makes fresh keys and SPIs for every tunnel of the configuration that takes its keys from a
// one-time key file, and writes one file for each site, mode 0600, into `folder` (made if missing).
// What a site sends with is what the other receives with. Existing files are not overwritten; all
// files are written, or none. Gives the files written, by name.
Result<std::vector<std::filesystem::path>> generate_key_files(const GatewayConfig& config,
                                                              const std::filesystem::path& folder,
                                                              SecretPool& secrets);

// Claims a key file for this run, durably, and reads it (law 1): its id is recorded in
// `state_directory` and the file renamed to "NAME.used", both synced to disk, before the keys are
// given. A file that was claimed before, here or as a copy, is refused, as is one that others can
// read or that is not the caller's, and one of another site than `site` (both ends with one file
// would use the same keys for different traffic); "": any site.
Result<std::vector<OneTimeKeys>> claim_key_file(const std::filesystem::path& file,
                                                const std::filesystem::path& state_directory,
                                                SecretPool& secrets, std::string_view site = {});

// The inbound keys of a key file, which stays as it is: what only decrypts may be read any number
// of times, as for a capture. Refused as by claim_key_file(), but for the claim.
Result<std::vector<OneTimeKeys>> read_inbound_keys(const std::filesystem::path& file,
                                                   SecretPool& secrets, std::string_view site = {});

}  // namespace espalier
