// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/key_file.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

// An SA that can be placed: with its SPI and keys.
struct KeyedSa {
  SaSpec spec;
  SaKeys keys;
};

// These SAs of the configuration's tunnels with their keys: static ones are copied, key files are
// claimed for this run (law 1), once all of them have what is asked of them. SAs whose keys come
// over the control socket are not among them.
Result<std::vector<KeyedSa>> claim_keys(const GatewayConfig& config,
                                        const std::vector<SaSpec>& specs, SecretPool& secrets);

// The inbound ones of these SAs with their keys. No key file is claimed: nothing is encrypted.
Result<std::vector<KeyedSa>> inbound_keys(const GatewayConfig& config,
                                          const std::vector<SaSpec>& specs, SecretPool& secrets);

// The names of tunnels of this site that wait for their SAs on the control socket.
std::vector<std::string> tunnels_by_socket(const GatewayConfig& config);

// What is said of one of them.
std::string waits_for_its_sas(std::string_view tunnel, const GatewayConfig& config);

}  // namespace espalier::cli
