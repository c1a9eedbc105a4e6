// SPDX-License-Identifier: Apache-2.0
#include "gateway/decision_pool.hpp"

#include <algorithm>
#include <functional>

namespace espalier {

namespace {

// Of what tells most decisions apart; equality decides.
std::size_t fingerprint(const Decision& decision) {
  std::size_t hash = decision.candidates.size();
  const auto mix = [&](std::size_t value) { hash = hash * 0x9e3779b97f4a7c15u ^ value; };
  for (const Candidate& candidate : decision.candidates) {
    mix(std::hash<std::string>{}(candidate.sentence));
    for (const Comparison& number : candidate.numbers) mix(number.have);
  }
  return hash;
}

}  // namespace

std::shared_ptr<const Decision> DecisionPool::share(const Decision& decision) {
  Decision nameless = decision;
  nameless.sa.clear();
  const std::size_t key = fingerprint(nameless);
  const auto [first, last] = known_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    if (auto same = it->second.lock(); same && *same == nameless) return same;
  }
  if (known_.size() >= sweep_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(1024, known_.size() * 2);
  }
  auto fresh = std::make_shared<const Decision>(std::move(nameless));
  known_.emplace(key, fresh);
  return fresh;
}

}  // namespace espalier
