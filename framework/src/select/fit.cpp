// SPDX-License-Identifier: Apache-2.0
#include <select/fit.hpp>

#include <model/inventory_format.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

namespace espalier {
namespace {

using inventory_format::BitWord;

// The order of the checks of a capability: the further a capability gets, the nearer the miss.
constexpr std::array kCheckOrder = {
    Reason::unsupported_transform,     Reason::unsupported_key_length,
    Reason::unsupported_icv,           Reason::unsupported_direction,
    Reason::unsupported_mode,          Reason::unsupported_encap,
    Reason::unsupported_family,        Reason::unsupported_esn,
    Reason::unsupported_replay_window, Reason::chosen};

std::ptrdiff_t depth(Reason reason) {
  return std::ranges::find(kCheckOrder, reason) - kCheckOrder.begin();
}

template <class Enum>
bool has(std::uint32_t set, Enum value) {
  return (set & static_cast<std::uint32_t>(value)) != 0;
}

bool has_key_length(std::uint32_t set, const Transform& transform) {
  const bool one_length = transform.cipher == Cipher::null ||
                          transform.cipher == Cipher::des3_cbc ||
                          transform.cipher == Cipher::chacha20_poly1305;
  if (one_length && has(set, ESPALIER_KEY_ANY)) return true;
  switch (transform.key_bits) {
    case 128:
      return has(set, ESPALIER_KEY_128);
    case 192:
      return has(set, ESPALIER_KEY_192);
    case 256:
      return has(set, ESPALIER_KEY_256);
    default:
      return false;
  }
}

Reason check(const SaSpec& sa, const Capability& able) {
  const Transform& transform = sa.transform;
  if (able.cipher != transform.cipher || able.integrity != transform.integrity)
    return Reason::unsupported_transform;
  if (!has_key_length(able.key_bits, transform)) return Reason::unsupported_key_length;
  if (!has(able.icv_bytes, ESPALIER_ICV(transform.icv_bytes))) return Reason::unsupported_icv;
  if (!has(able.directions, sa.direction)) return Reason::unsupported_direction;
  if (!has(able.modes, sa.mode)) return Reason::unsupported_mode;
  if (!has(able.encapsulations, sa.encapsulation)) return Reason::unsupported_encap;
  if (!has(able.families, sa.family())) return Reason::unsupported_family;
  if (!has(able.esn, sa.esn ? 2 : 1)) return Reason::unsupported_esn;
  const bool keeps_window = sa.direction == Direction::inbound && able.max_replay_window != 0;
  if (keeps_window && sa.replay_window > able.max_replay_window)
    return Reason::unsupported_replay_window;
  return Reason::chosen;
}

// Orders capabilities by how near they are; total, so that their order in the device is no matter.
auto nearness(const SaSpec& sa, const Capability& able) {
  return std::tuple(depth(check(sa, able)), able.cipher == sa.transform.cipher, able.score,
                    able.key_bits, able.icv_bytes, able.directions, able.modes, able.encapsulations,
                    able.families, able.esn, able.max_replay_window, able.integrity);
}

std::string words_of(std::uint32_t set, std::span<const BitWord> words) {
  std::string result;
  for (const BitWord& item : words) {
    if ((set & item.bit) == 0) continue;
    if (!result.empty()) result += ", ";
    result += item.word;
  }
  return result.empty() ? "none" : result;
}

std::string transform_sentence(const Transform& transform, const Capability& nearest) {
  if (nearest.cipher == transform.cipher)
    return fmt::format("does {}, but not with integrity {}", to_string(transform.cipher),
                       to_string(transform.integrity));
  return fmt::format("does not do {}", to_string(transform.cipher));
}

std::string sentence_of(Reason reason, const SaSpec& sa, const Capability& able) {
  namespace format = inventory_format;
  const Transform& transform = sa.transform;
  switch (reason) {
    case Reason::unsupported_transform:
      return transform_sentence(transform, able);
    case Reason::unsupported_key_length:
      return fmt::format("does {} with key lengths {}, not with {} bits",
                         to_string(transform.cipher), words_of(able.key_bits, format::kKeyBits),
                         transform.key_bits);
    case Reason::unsupported_icv:
      return fmt::format("does {} with ICVs of {} bytes, not of {}", to_string(transform.cipher),
                         words_of(able.icv_bytes, format::kIcvBytes), transform.icv_bytes);
    case Reason::unsupported_direction:
      return fmt::format("does {}, not {}", words_of(able.directions, format::kDirections),
                         to_string(sa.direction));
    case Reason::unsupported_mode:
      return fmt::format("does {} mode, not {} mode", words_of(able.modes, format::kModes),
                         to_string(sa.mode));
    case Reason::unsupported_encap:
      return sa.encapsulation == Encapsulation::udp ? "does not do ESP in UDP"
                                                    : "does ESP in UDP only, not raw ESP";
    case Reason::unsupported_family:
      return fmt::format("does outer {}, not {}", words_of(able.families, format::kFamilies),
                         to_string(sa.family()));
    case Reason::unsupported_esn:
      return sa.esn ? "does not do extended sequence numbers"
                    : "does extended sequence numbers only";
    case Reason::unsupported_replay_window:
      return fmt::format("keeps a replay window of at most {} packets, the SA wants {}",
                         able.max_replay_window, sa.replay_window);
    default:
      return "";
  }
}

Finding fit_capabilities(const SaSpec& sa, const Device& device) {
  if (device.capabilities.empty())
    return {Reason::unsupported_transform, "does not do any transform"};
  const Capability& nearest = std::ranges::max(
      device.capabilities, {}, [&](const Capability& able) { return nearness(sa, able); });
  Finding result;
  result.reason = check(sa, nearest);
  result.sentence = sentence_of(result.reason, sa, nearest);
  result.score = result.reason == Reason::unsupported_transform ? 0 : nearest.score;
  if (result.reason == Reason::unsupported_replay_window)
    result.numbers = {{"replay window", sa.replay_window, nearest.max_replay_window}};
  return result;
}

std::string with_reason(std::string sentence, const std::string& why) {
  return why.empty() ? sentence : sentence + ": " + why;
}

// The reason why the device cannot be used at all now, if there is one.
Finding check_state(const Device& device) {
  switch (device.state) {
    case DeviceState::up:
    case DeviceState::degraded:
      return {};
    case DeviceState::down:
      return {Reason::device_down, with_reason("is down", device.state_reason)};
    case DeviceState::lost:
      return {Reason::device_lost, with_reason("was lost", device.state_reason)};
    case DeviceState::quarantined:
      return {Reason::device_quarantined,
              with_reason(fmt::format("is quarantined, probed again in {} ms", device.retry_in_ms),
                          device.state_reason)};
  }
  return {};
}

}  // namespace

Finding fit_device(const SaSpec& sa, const Device& device, Dataplane dataplane) {
  Finding result = fit_capabilities(sa, device);
  const std::uint32_t score = result.score;
  if (Finding state = check_state(device); !state.fits()) {
    result = std::move(state);
  } else if (device.dataplane != dataplane) {
    result = {Reason::unsupported_dataplane,
              fmt::format("works in the {} dataplane, this gateway in {}",
                          to_string(device.dataplane), to_string(dataplane))};
  } else if (!device.interface.empty() && !sa.interface.empty() &&
             device.interface != sa.interface) {
    result = {Reason::device_not_on_path,
              fmt::format("sits on {}, the SA leaves by {}", device.interface, sa.interface)};
  }
  result.score = score;
  return result;
}

}  // namespace espalier
