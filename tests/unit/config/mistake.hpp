// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config_fixture.hpp"

#include <string>
#include <utility>
#include <vector>

namespace espalier {

// A mistake, and all that a person is told about it, without the file's name.
struct Mistake {
  std::string name;
  std::string text;
  std::vector<std::string> sentences;
};

inline void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

inline std::string mistake_name(const testing::TestParamInfo<Mistake>& test) {
  return test.param.name;
}

class MistakeTest : public ConfigTest, public testing::WithParamInterface<Mistake> {};

// A text with the first of each pair replaced by the second, once.
std::string changed(std::string text,
                    const std::vector<std::pair<std::string, std::string>>& changes);

// A configuration without a mistake: two sites, and a tunnel on one-time keys or on static ones.
std::string base();
std::string static_base();

}  // namespace espalier
