// SPDX-License-Identifier: Apache-2.0
//
// Every transform of the table on every backend, for tests that hold for all of them.
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
  std::vector<OnBackend> all;
  for (const char* const backend : {"openssl", "aesni"})
    for (const TransformInfo& info : transforms()) all.push_back({backend, &info});
  return all;
}

// False where aesni leaves it to openssl on this CPU; whether it may is the matter of the tests of
// the plugins.
inline bool does(Bench& bench, const OnBackend& on) {
  const auto device = bench.registry->open(on.backend, "cpu");
  if (!device) return on.backend == "openssl";  // which is everywhere, and then fails aloud
  const SaSpec sa = tunnel_sa("sa", Direction::outbound, on.transform->name);
  const auto session = (*device)->open_session(sa, counting_keys(*bench.secrets, sa.transform));
  return session || !session.error().message.contains("the openssl backend does it");
}

}  // namespace espalier::test
