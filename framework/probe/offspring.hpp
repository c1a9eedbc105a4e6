// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace espalier::probe {

// From now on the orphans among the descendants of this process become its children. False if the
// kernel does not do that.
bool adopt_orphans();

// Kills the processes that a plugin has started and not waited for, with those that they started.
// Whether there were any. Requires adopt_orphans().
bool kill_offspring();

}  // namespace espalier::probe
