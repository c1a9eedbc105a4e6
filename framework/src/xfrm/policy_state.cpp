// SPDX-License-Identifier: Apache-2.0
#include "xfrm/policy_state.hpp"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <utility>

#include "xfrm/addresses.hpp"
#include "xfrm/dump.hpp"

namespace espalier::xfrm {
namespace {

PolicyId id_of(const xfrm_userpolicy_info& info) {
  const xfrm_selector& selector = info.sel;
  return {static_cast<PolicyWay>(info.dir),
          {address_of(selector.saddr, selector.family), selector.prefixlen_s},
          {address_of(selector.daddr, selector.family), selector.prefixlen_d},
          selector.proto,
          {ntohs(selector.sport), ntohs(selector.sport_mask)},
          {ntohs(selector.dport), ntohs(selector.dport_mask)}};
}

Protect protect_of(const xfrm_user_tmpl& wanted) {
  return {address_of(wanted.saddr, wanted.family), address_of(wanted.id.daddr, wanted.family),
          wanted.mode == XFRM_MODE_TUNNEL ? Mode::tunnel : Mode::transport, wanted.reqid};
}

}  // namespace

std::optional<PolicyState> read_policy(const Message& message) {
  const auto payload = message.payload.view();
  if (message.type != XFRM_MSG_NEWPOLICY) return std::nullopt;
  const auto info = fixed_part<xfrm_userpolicy_info>(payload);
  const auto attributes = Attributes::of(payload, sizeof(xfrm_userpolicy_info));
  if (!info || !attributes || info->dir > XFRM_POLICY_FWD) return std::nullopt;
  const auto wanted = attributes->value<xfrm_user_tmpl>(XFRMA_TMPL);
  const bool one = attributes->bytes(XFRMA_TMPL).size() == sizeof(xfrm_user_tmpl);
  if (!wanted || !one || wanted->id.proto != IPPROTO_ESP) return std::nullopt;
  return PolicyState{id_of(*info), protect_of(*wanted)};
}

Result<std::vector<PolicyState>> read_all_policies(Transport& kernel) {
  const auto messages = dump(kernel, dump_policies(), "policies");
  if (!messages) return std::unexpected(messages.error());
  std::vector<PolicyState> policies;
  for (const Message& message : *messages)
    if (auto policy = read_policy(message)) policies.push_back(std::move(*policy));
  return policies;
}

}  // namespace espalier::xfrm
