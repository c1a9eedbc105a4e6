// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "xfrm/install.hpp"

namespace espalier::xfrm {

// The policies in the kernel that SAs need: those between the same ends, for the same traffic, share
// theirs, so that an SA and the one that replaces it do. Takes all of them away when destroyed,
// after keep() none. [control]
class PolicyBundles {
 public:
  // The SAs of each bundle have a reqid of their own, from this one on.
  PolicyBundles(Transport& kernel, std::uint32_t first_reqid)
      : kernel_(kernel), next_reqid_(first_reqid) {}
  ~PolicyBundles();
  PolicyBundles(const PolicyBundles&) = delete;
  PolicyBundles& operator=(const PolicyBundles&) = delete;

  // One more SA; gives its reqid. From here on its traffic passes through an SA or not at all.
  Result<std::uint32_t> enter(const SaSpec& sa);
  // An SA that had entered is gone; with the last one go the policies.
  Result<void> leave(const SaSpec& sa);

  // What is there now stays in the kernel, where it lets nothing pass without an SA.
  void keep() noexcept { bundles_.clear(); }

 private:
  using Key = std::pair<Protect, std::vector<PolicyId>>;  // the reqid of Protect is 0
  struct Bundle {
    std::uint32_t reqid = 0;
    std::size_t sas = 0;
  };
  static Result<Key> key_of(const SaSpec& sa);

  Transport& kernel_;
  std::uint32_t next_reqid_;
  std::map<Key, Bundle> bundles_;
};

}  // namespace espalier::xfrm
