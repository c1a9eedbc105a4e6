// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/decision.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace espalier {

// Decisions that differ only in the SA's name are kept once: of thousands of like SAs, almost all.
// What it gives has no SA name in it. [control]
class DecisionPool {
 public:
  std::shared_ptr<const Decision> share(const Decision& decision);

 private:
  std::unordered_multimap<std::size_t, std::weak_ptr<const Decision>> known_;
  std::size_t sweep_at_ = 1024;  // size at which forgotten ones are looked for
};

}  // namespace espalier
