// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/inventory.hpp>
#include <espalier/policy.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Why a candidate was chosen or passed over. The text form is stable: "unsupported.key_length".
// Where several would fit, the first in the order of the checks is given: policy.excluded, plugin,
// device state, dataplane, path, transform, key length, ICV, direction, mode, encapsulation,
// family, ESN, replay window, earlier refusals, policy.limit, pools.
//
// Reserved, and given by nothing today: unsupported.selector, .mark and .lifetime come with the
// kernel dataplane, where devices have such limits; capacity.queue would need to know of each SA
// whether its worker has a queue of the device already (a device that has none left refuses, which
// is capacity.sas).
enum class Reason : std::uint8_t {
  chosen,
  not_needed,  // could take the SA, but one before it did
  policy_excluded,
  policy_limit,
  unsupported_dataplane,
  unsupported_transform,
  unsupported_key_length,
  unsupported_icv,
  unsupported_mode,
  unsupported_esn,
  unsupported_direction,
  unsupported_encap,
  unsupported_family,
  unsupported_selector,
  unsupported_mark,
  unsupported_replay_window,
  unsupported_lifetime,
  device_absent,
  device_down,
  device_lost,
  device_quarantined,
  device_not_on_path,
  plugin_rejected,
  capacity_sas,
  capacity_queue,
  capacity_throughput,
  refused_by_device,
  refused_permission,
  refused_transient,
  refused_invalid,
};

// One number that was compared: "sas used" 1024 of 1024.
struct Comparison {
  std::string what;
  std::uint64_t have = 0;
  std::uint64_t limit = 0;

  friend bool operator==(const Comparison&, const Comparison&) = default;
};

struct Candidate {
  std::string backend;
  std::string device;       // "" if the backend has none
  std::uint32_t order = 0;  // place in the policy's list, from 1; 0: only by fallback
  std::uint32_t score = 0;
  Reason reason = Reason::device_absent;
  std::string sentence;  // its subject is the candidate: "is the first that can take it"
  std::vector<Comparison> numbers;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// The answer for one SA: every candidate in the order in which it was considered.
struct Decision {
  std::string sa;
  std::string rule;  // name of the rule that matched, or ""
  Fallback fallback = Fallback::next;
  std::vector<Candidate> candidates;
  std::optional<std::uint32_t> chosen;  // index into candidates

  friend bool operator==(const Decision&, const Decision&) = default;
};

// The pure choice: same inputs, same answer, byte for byte (law 5). Integers only, no I/O; its time
// depends on devices, rules and refusals, never on how many SAs there are.
//
// Candidates: every device of the backends of the rule's list (or the policy's, if no rule
// matches), in its order; then, with order 0, what the fallback adds: `next` the policy's other
// backends and after them all that have a device of this dataplane or were set aside, `software`
// the backend `openssl` (in the kernel's dataplane: `kernel`), `fail` none. Within a place: score
// (high first), then backend and device name.
// A backend without a device, set aside or excluded is one candidate with device ""; an excluded one
// is listed only where it would have been considered.
Decision select(const SaSpec& sa, const Inventory& inventory, const Policy& policy);

std::string_view to_string(Reason reason) noexcept;
std::string to_json(const Decision& decision);
std::string to_text(const Decision& decision);  // a few lines for a person

}  // namespace espalier
