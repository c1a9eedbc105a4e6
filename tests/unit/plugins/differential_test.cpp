// SPDX-License-Identifier: Apache-2.0
//
// Every transform of every backend and code path, beside OpenSSL: 10,000 random packets for what
// aesni chooses by itself, fewer for the paths that it would choose elsewhere.
#include <gtest/gtest.h>

#include <functional>

#include "harness.hpp"
#include "rounds.hpp"

namespace espalier::test {
namespace {

struct Pairing {
  Candidate candidate;
  Transform transform;

  std::string name() const { return candidate.name + "_" + transform.name(); }
  friend void PrintTo(const Pairing& p, std::ostream* out) { *out << p.name(); }
};

std::vector<Pairing> pairings() {
  std::vector<Pairing> all;
  for (const auto& candidate : candidates()) {
    for (const auto& transform : candidate.transforms()) all.push_back({candidate, transform});
  }
  return all;
}

std::unique_ptr<OpenBackend> opened(const Candidate& candidate) {
  std::string reason;
  auto backend = OpenBackend::open(*candidate.entry, candidate.options, reason);
  if (!backend) throw std::runtime_error(candidate.name + ": " + reason);
  return backend;
}

std::uint64_t seed_for(const std::string& name) {
  return test_seed() ^ std::hash<std::string>{}(name);
}

class Differential : public testing::TestWithParam<Pairing> {};

TEST_P(Differential, EqualsOpensslAndRefusesWhatIsSpoilt) {
  const auto& [candidate, transform] = GetParam();
  const auto backend = opened(candidate);
  const auto oracle = opened(candidates().front());
  Random random(seed_for(GetParam().name()));
  std::vector<Sa> sas;
  for (int i = 0; i < 5; ++i) sas.push_back(random_sa(random, transform, i % 2 == 1));
  Rounds rounds(*backend, *oracle, std::move(sas), random());
  EXPECT_EQ(rounds.run(scaled(candidate.name == "aesni" ? 10000 : 1500)), "")
      << "with ESPALIER_TEST_SEED=" << test_seed();
}

INSTANTIATE_TEST_SUITE_P(Backends, Differential, testing::ValuesIn(pairings()),
                         [](const auto& tested) { return tested.param.name(); });

class MixedBursts : public testing::TestWithParam<Candidate> {};

TEST_P(MixedBursts, OfAllTransformsKeepApart) {
  const auto backend = opened(GetParam());
  const auto oracle = opened(candidates().front());
  Random random(seed_for(GetParam().name));
  std::vector<Sa> sas;
  for (const auto& transform : GetParam().transforms()) {
    sas.push_back(random_sa(random, transform, false));
    sas.push_back(random_sa(random, transform, true));
  }
  Rounds rounds(*backend, *oracle, std::move(sas), random());
  EXPECT_EQ(rounds.run(scaled(20000)), "") << "with ESPALIER_TEST_SEED=" << test_seed();
}

INSTANTIATE_TEST_SUITE_P(Backends, MixedBursts, testing::ValuesIn(candidates()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace espalier::test
