// SPDX-License-Identifier: Apache-2.0
//
// What a person sees for each mistake: a snippet, and the exact sentences about it.
#include "config_fixture.hpp"

namespace espalier {
namespace {

struct Mistake {
  const char* name;
  std::string text;
  std::vector<std::string> sentences;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class MistakeTest : public ConfigTest, public testing::WithParamInterface<Mistake> {};

TEST_P(MistakeTest, IsNamedWithItsPlaceAndWhatToDo) {
  const ConfigReading reading = read(GetParam().text);
  EXPECT_EQ(sentences(reading), GetParam().sentences);
}

std::vector<Mistake> mistakes() { return {}; }

INSTANTIATE_TEST_SUITE_P(Config, MistakeTest, testing::ValuesIn(mistakes()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace espalier
