// SPDX-License-Identifier: Apache-2.0
//
// Policies as the kernel is asked for them: which packets an SA protects. Pure.
#pragma once

#include <espalier/sa.hpp>

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "xfrm/message.hpp"

namespace espalier::xfrm {

enum class PolicyWay : std::uint8_t { in = 0, out = 1, forward = 2 };  // values of the kernel

// Ports that a selector names, as the kernel has them: those that are `port` under `mask`.
struct PortMask {
  std::uint16_t port = 0, mask = 0;  // mask 0: every port

  friend auto operator<=>(const PortMask&, const PortMask&) = default;
};

// By what the kernel knows a policy.
struct PolicyId {
  PolicyWay way = PolicyWay::out;
  IpPrefix source, destination;
  std::uint8_t protocol = 0;
  PortMask source_port, destination_port;

  friend auto operator<=>(const PolicyId&, const PolicyId&) = default;
};

// What a policy asks for: ESP between these two, by SAs with this reqid.
struct Protect {
  IpAddress source, destination;
  Mode mode = Mode::tunnel;
  std::uint32_t reqid = 0;

  friend auto operator<=>(const Protect&, const Protect&) = default;
};

// The policies of an SA: outbound one for each selector; inbound one for what is for this machine,
// and in tunnel mode one for what it passes on. An error names the selector that the kernel has no
// words for.
Result<std::vector<PolicyId>> policies_of(const SaSpec& sa);
Protect protection_of(const SaSpec& sa, std::uint32_t reqid);

// Refused where there is one already; whoever made it keeps it.
Request add_policy(const PolicyId& policy, const Protect& protect);
// Takes the place of the one that is there, at once.
Request replace_policy(const PolicyId& policy, const Protect& protect);
Request delete_policy(const PolicyId& policy);
Request dump_policies();

std::string to_string(const PolicyId& policy);  // "out 10.0.0.0/8 -> 10.1.0.0/16"

}  // namespace espalier::xfrm
