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

}  // namespace espalier::cli
