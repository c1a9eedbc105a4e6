// SPDX-License-Identifier: Apache-2.0
#include "xfrm/policy_bundles.hpp"

#include "xfrm/policy_state.hpp"

namespace espalier::xfrm {

PolicyBundles::~PolicyBundles() {
  for (const auto& [key, bundle] : bundles_) static_cast<void>(remove(key.second));
}

// All but those that an earlier run had closed.
Result<void> PolicyBundles::remove(const std::vector<PolicyId>& policies) {
  std::vector<PolicyId> gone;
  for (const PolicyId& policy : policies)
    if (!replaced_.contains(policy)) gone.push_back(policy);
  return uninstall(kernel_, gone);
}

Result<PolicyBundles::Key> PolicyBundles::key_of(const SaSpec& sa) {
  auto policies = policies_of(sa);
  if (!policies) return std::unexpected(policies.error());
  return Key{protection_of(sa, 0), std::move(*policies)};
}

Result<PolicyBundles::Left> PolicyBundles::take_over(const IpAddress& own_end) {
  const auto policies = read_all_policies(kernel_);
  if (!policies) return std::unexpected(policies.error());
  const auto sas = read_all_sas(kernel_);
  if (!sas) return std::unexpected(sas.error());
  Left left;
  for (const PolicyState& policy : *policies) {
    const Protect& protect = policy.protect;
    const bool ours = protect.source == own_end || protect.destination == own_end;
    if (ours && is_own(protect.reqid)) left_.insert(policy.id);
  }
  for (const SaState& sa : *sas) {
    if ((sa.source != own_end && sa.id.destination != own_end) || !is_own(sa.reqid)) continue;
    if (auto gone = uninstall(kernel_, sa.id); !gone) return std::unexpected(gone.error());
    ++left.sas;
  }
  left.policies = left_.size();
  return left;
}

Result<void> PolicyBundles::settle() {
  const std::vector<PolicyId> unused(left_.begin(), left_.end());
  left_.clear();
  replaced_.clear();
  return uninstall(kernel_, unused);
}

// A left one gives way to the one that takes its place at once; what cannot be leaves none of those
// that were not there before.
Result<void> PolicyBundles::make(const std::vector<PolicyId>& policies, const Protect& protect) {
  std::vector<PolicyId> fresh, replaced;
  for (const PolicyId& policy : policies)
    (left_.contains(policy) ? replaced : fresh).push_back(policy);
  if (auto made = install(kernel_, fresh, protect); !made) return made;
  if (auto made = replace(kernel_, replaced, protect); !made) {
    static_cast<void>(uninstall(kernel_, fresh));
    return made;
  }
  for (const PolicyId& policy : replaced) replaced_.insert(left_.extract(policy));
  return {};
}

Result<std::uint32_t> PolicyBundles::enter(const SaSpec& sa) {
  auto key = key_of(sa);
  if (!key) return std::unexpected(key.error());
  auto found = bundles_.find(*key);
  if (found == bundles_.end()) {
    const std::uint32_t reqid = next_reqid_++;
    Protect protect = key->first;
    protect.reqid = reqid;
    if (auto made = make(key->second, protect); !made) return std::unexpected(made.error());
    found = bundles_.emplace(std::move(*key), Bundle{reqid}).first;
  }
  ++found->second.sas;
  return found->second.reqid;
}

Result<void> PolicyBundles::leave(const SaSpec& sa) {
  const auto key = key_of(sa);
  if (!key) return std::unexpected(key.error());
  const auto found = bundles_.find(*key);
  if (found == bundles_.end() || --found->second.sas > 0) return {};
  const auto gone = bundles_.extract(found);
  return remove(gone.key().second);
}

}  // namespace espalier::xfrm
