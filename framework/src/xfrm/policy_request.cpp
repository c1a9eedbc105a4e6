// SPDX-License-Identifier: Apache-2.0
#include "xfrm/policy_request.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include <array>
#include <limits>
#include <optional>

#include "xfrm/addresses.hpp"

namespace espalier::xfrm {
namespace {

constexpr std::uint32_t kAnyAlgorithm = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kFirstPriority = 1000;
constexpr std::uint32_t kAddressBits = 128;

// A range that begins where it may and is as long as a power of two, or nothing.
std::optional<PortMask> port_mask(std::uint16_t low, std::uint16_t high) {
  const std::uint32_t size = std::uint32_t{high} - low + 1;
  if (high < low || (size & (size - 1)) != 0 || low % size != 0) return std::nullopt;
  return PortMask{low, static_cast<std::uint16_t>(~(size - 1))};
}

Result<PolicyId> policy_of(const TrafficSelector& selector, const SaSpec& sa, PolicyWay way) {
  const auto source = port_mask(selector.source_port_low, selector.source_port_high);
  const auto destination = port_mask(selector.destination_port_low, selector.destination_port_high);
  if (source && destination)
    return PolicyId{way,     selector.source, selector.destination, selector.protocol,
                    *source, *destination};
  return fail(ErrorCode::unsupported,
              fmt::format("the kernel has no words for the port range in selector '{}' of SA '{}'; "
                          "give it single ports, all of them, or a range that is a power of two",
                          to_string(selector), sa.name));
}

xfrm_selector kernel_selector(const PolicyId& policy) {
  xfrm_selector made{};
  made.saddr = kernel_address(policy.source.address);
  made.daddr = kernel_address(policy.destination.address);
  made.prefixlen_s = policy.source.length;
  made.prefixlen_d = policy.destination.length;
  made.sport = htons(policy.source_port.port);
  made.sport_mask = htons(policy.source_port.mask);
  made.dport = htons(policy.destination_port.port);
  made.dport_mask = htons(policy.destination_port.mask);
  made.proto = policy.protocol;
  made.family = family_number(policy.source.address.family);
  return made;
}

// The narrower comes first: the kernel asks the lowest number first.
std::uint32_t priority_of(const PolicyId& policy) {
  const std::uint32_t wide = 2 * kAddressBits - policy.source.length - policy.destination.length;
  const bool ports = policy.source_port.mask != 0 || policy.destination_port.mask != 0;
  return kFirstPriority + 4 * wide + (policy.protocol == 0 ? 2U : 0U) + (ports ? 0U : 1U);
}

xfrm_user_tmpl template_of(const Protect& protect) {
  xfrm_user_tmpl made{};
  made.id.daddr = kernel_address(protect.destination);
  made.id.proto = IPPROTO_ESP;
  made.saddr = kernel_address(protect.source);
  made.family = family_number(protect.destination.family);
  made.reqid = protect.reqid;
  made.mode = protect.mode == Mode::tunnel ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
  made.aalgos = made.ealgos = made.calgos = kAnyAlgorithm;
  return made;
}

Request new_policy(std::uint16_t type, std::uint16_t flags, const PolicyId& policy,
                   const Protect& protect) {
  xfrm_userpolicy_info info{};
  info.sel = kernel_selector(policy);
  info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
  info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
  info.priority = priority_of(policy);
  info.dir = static_cast<std::uint8_t>(policy.way);
  info.action = XFRM_POLICY_ALLOW;
  Request request(type, flags);
  request.fixed(info);
  request.attribute(XFRMA_TMPL, template_of(protect));
  return request;
}

}  // namespace

Result<std::vector<PolicyId>> policies_of(const SaSpec& sa) {
  std::vector<PolicyWay> ways = {PolicyWay::out};
  if (sa.direction == Direction::inbound) ways = {PolicyWay::in};
  if (sa.direction == Direction::inbound && sa.mode == Mode::tunnel)
    ways.push_back(PolicyWay::forward);
  std::vector<PolicyId> policies;
  for (const TrafficSelector& selector : sa.selectors)
    for (const PolicyWay way : ways) {
      auto policy = policy_of(selector, sa, way);
      if (!policy) return std::unexpected(policy.error());
      policies.push_back(std::move(*policy));
    }
  return policies;
}

Protect protection_of(const SaSpec& sa, std::uint32_t reqid) {
  const bool out = sa.direction == Direction::outbound;
  return {out ? sa.local.address : sa.peer.address, out ? sa.peer.address : sa.local.address,
          sa.mode, reqid};
}

Request add_policy(const PolicyId& policy, const Protect& protect) {
  return new_policy(XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_EXCL, policy, protect);
}

Request replace_policy(const PolicyId& policy, const Protect& protect) {
  return new_policy(XFRM_MSG_UPDPOLICY, NLM_F_CREATE | NLM_F_REPLACE, policy, protect);
}

Request delete_policy(const PolicyId& policy) {
  xfrm_userpolicy_id id{};
  id.sel = kernel_selector(policy);
  id.dir = static_cast<std::uint8_t>(policy.way);
  Request request(XFRM_MSG_DELPOLICY, 0);
  request.fixed(id);
  return request;
}

// A dump has no fixed part.
Request dump_policies() { return {XFRM_MSG_GETPOLICY, NLM_F_DUMP}; }

std::string to_string(const PolicyId& policy) {
  constexpr std::array kWays = {"in", "out", "forward"};
  return fmt::format("{} {} -> {}", kWays[static_cast<std::size_t>(policy.way)],
                     espalier::to_string(policy.source), espalier::to_string(policy.destination));
}

}  // namespace espalier::xfrm
