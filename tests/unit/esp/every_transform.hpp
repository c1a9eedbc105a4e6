// SPDX-License-Identifier: Apache-2.0
//
// Every transform of the table on every backend that has it, for tests that hold for all of them.
// That a backend has what it should is the matter of the tests of the plugins.
#pragma once

#include "unit/esp/two_gateways.hpp"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

extern "C" {
extern const espalier_plugin_entry espalier_plugin_openssl;
extern const espalier_plugin_entry espalier_plugin_aesni;
}

namespace espalier::test {

struct OnBackend {
  std::string backend;
  const TransformInfo* transform;

  std::string name() const {
    std::string name = backend + "_" + std::string(transform->name);
    std::ranges::replace(name, '-', '_');
    return name;
  }
  friend void PrintTo(const OnBackend& on, std::ostream* out) { *out << on.name(); }
};

inline void add_backends(Bench& bench) {
  EXPECT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  EXPECT_TRUE(bench.registry->add_builtin("aesni", espalier_plugin_aesni));
}

inline std::vector<OnBackend> every_transform() {
  Bench bench;
  add_backends(bench);
  std::vector<OnBackend> all;
  for (const BackendInfo& backend : bench.registry->backends()) {
    const auto device = bench.registry->open(backend.name, "cpu");
    for (const TransformInfo& info : transforms()) {
      const SaSpec sa = tunnel_sa("sa", Direction::outbound, info.name);
      const bool has =
          device && (*device)->open_session(sa, counting_keys(*bench.secrets, sa.transform));
      if (has) all.push_back({backend.name, &info});
    }
  }
  return all;
}

}  // namespace espalier::test
