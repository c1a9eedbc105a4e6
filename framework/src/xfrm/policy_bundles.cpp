// SPDX-License-Identifier: Apache-2.0
#include "xfrm/policy_bundles.hpp"

namespace espalier::xfrm {

PolicyBundles::~PolicyBundles() {
  for (const auto& [key, bundle] : bundles_) static_cast<void>(uninstall(kernel_, key.second));
}

Result<PolicyBundles::Key> PolicyBundles::key_of(const SaSpec& sa) {
  auto policies = policies_of(sa);
  if (!policies) return std::unexpected(policies.error());
  return Key{protection_of(sa, 0), std::move(*policies)};
}

Result<std::uint32_t> PolicyBundles::enter(const SaSpec& sa) {
  auto key = key_of(sa);
  if (!key) return std::unexpected(key.error());
  auto found = bundles_.find(*key);
  if (found == bundles_.end()) {
    const std::uint32_t reqid = next_reqid_++;
    Protect protect = key->first;
    protect.reqid = reqid;
    if (auto made = install(kernel_, key->second, protect); !made)
      return std::unexpected(made.error());
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
  return uninstall(kernel_, gone.key().second);
}

}  // namespace espalier::xfrm
