// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <string>

namespace espalier::cli {

// Keeps keys out of core files, swap and debuggers (law 7): the process becomes undumpable, and
// all of its memory is locked where the limit allows. Where it does not, `warning` is a sentence:
// the framework's own keys are locked even so. Every verb begins with it, since any may be given
// keys; again later, it only says the warning again.
struct Hardening {
  std::string warning;
};
Result<Hardening> harden_process();

// Whether this process may change interfaces, rules and the kernel's IPsec (CAP_NET_ADMIN in its
// namespaces).
bool may_administer_network();
inline constexpr const char* kNoPermissionForIpsec =
    "No permission to change the kernel's IPsec. Run as root or with CAP_NET_ADMIN.";
inline constexpr const char* kNoPermissionForTun =
    "No permission to make a TUN device, addresses and rules. Run as root or with CAP_NET_ADMIN, "
    "or try it out in namespaces of your own with 'unshare -Urn'.";

}  // namespace espalier::cli
