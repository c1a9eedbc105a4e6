// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "xfrm/install.hpp"

namespace espalier::xfrm {

// The policies in the kernel that SAs need: those between the same ends, for the same traffic,
// share theirs, so that an SA and the one that replaces it do. Takes all of them away when
// destroyed, after keep() none.
//
// What an earlier run of the gateway left behind is known by its reqids, and taken over: where that
// run had closed, nothing opens before settle(), even if this one does not come that far. [control]
class PolicyBundles {
 public:
  // Those that a gateway gives its SAs: from a base to be drawn anew for each run, upwards. No IKE
  // daemon counts that far.
  static constexpr std::uint32_t kOwnReqids = 0x4000'0000, kOwnReqidsEnd = 0x8000'0000;
  static bool is_own(std::uint32_t reqid) noexcept {
    return reqid >= kOwnReqids && reqid < kOwnReqidsEnd;
  }

  // The SAs of each bundle have a reqid of their own, from this one on.
  PolicyBundles(Transport& kernel, std::uint32_t first_reqid)
      : kernel_(kernel), next_reqid_(first_reqid) {}
  ~PolicyBundles();
  PolicyBundles(const PolicyBundles&) = delete;
  PolicyBundles& operator=(const PolicyBundles&) = delete;

  // Takes over what a gateway with this end of its SAs has left: its SAs go, its policies stay
  // until settle(). Gives how many of both there were.
  struct Left {
    std::size_t sas = 0, policies = 0;
  };
  Result<Left> take_over(const IpAddress& own_end);
  // The start is complete: those left policies that no SA of this run has made its own go.
  Result<void> settle();

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
  Result<void> make(const std::vector<PolicyId>& policies, const Protect& protect);
  Result<void> remove(const std::vector<PolicyId>& policies);

  Transport& kernel_;
  std::uint32_t next_reqid_;
  std::map<Key, Bundle> bundles_;
  std::set<PolicyId> left_;      // by an earlier run
  std::set<PolicyId> replaced_;  // those of them that are this run's own now, until settle()
};

}  // namespace espalier::xfrm
