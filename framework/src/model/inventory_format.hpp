// SPDX-License-Identifier: Apache-2.0
//
// The words of the saved inventory, shared by its writer and its reader.
#pragma once

#include <espalier/abi.h>
#include <espalier/inventory.hpp>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace espalier::inventory_format {

inline constexpr std::string_view kFormat = "espalier-inventory";
inline constexpr std::uint64_t kVersion = 1;
inline constexpr std::string_view kUnlimitedWord = "unlimited";

// A bit of a capability's set, and its word. Key and ICV lengths are numbers but for "any".
struct BitWord {
  std::uint32_t bit;
  std::string_view word;
};

inline constexpr std::array kKeyBits = {
    BitWord{ESPALIER_KEY_128, "128"}, BitWord{ESPALIER_KEY_192, "192"},
    BitWord{ESPALIER_KEY_256, "256"}, BitWord{ESPALIER_KEY_ANY, "any"}};
inline constexpr std::array kIcvBytes = {
    BitWord{ESPALIER_ICV(8), "8"}, BitWord{ESPALIER_ICV(12), "12"}, BitWord{ESPALIER_ICV(16), "16"},
    BitWord{ESPALIER_ICV(24), "24"}, BitWord{ESPALIER_ICV(32), "32"}};
inline constexpr std::array kDirections = {BitWord{ESPALIER_OUTBOUND, "outbound"},
                                           BitWord{ESPALIER_INBOUND, "inbound"}};
inline constexpr std::array kModes = {BitWord{ESPALIER_TUNNEL, "tunnel"},
                                      BitWord{ESPALIER_TRANSPORT, "transport"}};
inline constexpr std::array kEncapsulations = {BitWord{ESPALIER_ENCAP_NONE, "none"},
                                               BitWord{ESPALIER_ENCAP_UDP, "udp"}};
inline constexpr std::array kFamilies = {BitWord{ESPALIER_IPV4, "ipv4"},
                                         BitWord{ESPALIER_IPV6, "ipv6"}};
inline constexpr std::array kEsn = {BitWord{1, "off"}, BitWord{2, "on"}};

// Every value of an enumeration; the words are to_string()'s.
inline constexpr std::array kCiphers = {
    Cipher::null,    Cipher::aes_cbc,           Cipher::aes_ctr, Cipher::des3_cbc,
    Cipher::aes_gcm, Cipher::chacha20_poly1305, Cipher::aes_gmac};
inline constexpr std::array kIntegrities = {Integrity::none,        Integrity::hmac_md5,
                                            Integrity::hmac_sha1,   Integrity::hmac_sha256,
                                            Integrity::hmac_sha384, Integrity::hmac_sha512};
inline constexpr std::array kDataplanes = {Dataplane::kernel, Dataplane::userspace};
inline constexpr std::array kPoolKinds = {PoolKind::sas, PoolKind::queues, PoolKind::mbps};
inline constexpr std::array kPoolUses = {PoolUse::live, PoolUse::counted, PoolUse::unknown};
inline constexpr std::array kDeviceStates = {DeviceState::up, DeviceState::down,
                                             DeviceState::degraded, DeviceState::lost,
                                             DeviceState::quarantined};
// Only the classes that a device can answer with.
inline constexpr std::array kRefusalCodes = {ErrorCode::unsupported, ErrorCode::capacity,
                                             ErrorCode::transient,   ErrorCode::lost,
                                             ErrorCode::permission,  ErrorCode::invalid};

}  // namespace espalier::inventory_format
