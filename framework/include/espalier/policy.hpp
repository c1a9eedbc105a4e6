// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

// What happens to an SA that no backend of its list takes.
enum class Fallback : std::uint8_t {
  next,      // any other backend that can, in the policy's order, then by score
  software,  // the `openssl` backend alone; in the kernel's dataplane, `kernel`
  fail,      // the SA is not placed
};

// What a rule matches. Everything that is set must hold.
struct RuleMatch {
  std::vector<Transform> transforms;  // any of; empty: every
  std::vector<IpPrefix> peers;        // any of; empty: every
  std::optional<Direction> direction;
  std::optional<std::string> traffic_class;
  std::optional<std::string> interface;

  bool matches(const SaSpec& sa) const noexcept;
  friend bool operator==(const RuleMatch&, const RuleMatch&) = default;
};

// The first rule that matches an SA decides its backends.
struct Rule {
  std::string name;
  RuleMatch match;
  std::vector<std::string> backends;  // in order of preference
  Fallback fallback = Fallback::next;

  friend bool operator==(const Rule&, const Rule&) = default;
};

// A limit that the operator sets on one backend, below what its devices have.
struct BackendLimit {
  std::string backend;
  std::uint64_t max_sas = 0;

  friend bool operator==(const BackendLimit&, const BackendLimit&) = default;
};

// Which backends an SA may use, in which order. Names that no plugin has are legal: the order is
// written for many machines.
struct Policy {
  std::vector<std::string> backends;  // of SAs that no rule matches
  Fallback fallback = Fallback::next;
  std::vector<Rule> rules;
  std::vector<BackendLimit> limits;
  std::vector<std::string> excluded;  // never used

  friend bool operator==(const Policy&, const Policy&) = default;
};

const char* to_string(Fallback fallback) noexcept;

}  // namespace espalier
