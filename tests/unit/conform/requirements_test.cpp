// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <conform/cases.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <unit/places.hpp>

namespace espalier::conform {
namespace {

TEST(Requirements, AreNumberedOnceInOrderAndSaidInSentences) {
  unsigned last = 0;
  for (const Requirement& r : requirements()) {
    SCOPED_TRACE(name_of(r.id));
    EXPECT_GT(static_cast<unsigned>(r.id), last);
    last = static_cast<unsigned>(r.id);
    for (const auto text : {r.sentence, r.rationale, r.broken}) {
      EXPECT_TRUE(text.ends_with('.')) << text;
      EXPECT_GT(text.size(), 10U);
    }
    EXPECT_FALSE(r.group.empty());
    EXPECT_EQ(&requirement(r.id), &r);
  }
  EXPECT_EQ(name_of(Req::manifest), "ESP-R001");
  EXPECT_EQ(name_of(Req::recipe_undeclared), "ESP-R123");
}

// Those of the file and of the profile are checked where no case runs.
TEST(Requirements, AreEachCheckedByACase) {
  std::set<Req> checked = {Req::manifest, Req::one_symbol, Req::profile};
  for (const Case& test : all_cases()) checked.insert(test.checks.begin(), test.checks.end());
  for (const Requirement& r : requirements()) EXPECT_TRUE(checked.contains(r.id)) << name_of(r.id);
}

TEST(Cases, HaveNamesOfTheirOwnAndABody) {
  std::set<std::string_view> names;
  for (const Case& test : all_cases()) {
    EXPECT_TRUE(names.insert(test.name).second) << test.name;
    EXPECT_EQ(test.name.find(':'), std::string_view::npos) << test.name;
    EXPECT_NE(test.body, nullptr) << test.name;
    EXPECT_FALSE(test.checks.empty()) << test.name;
    EXPECT_TRUE(test.what.ends_with('.')) << test.name;
  }
}

// A kit whose cases cannot fail proves nothing: each requirement has a plugin that breaks it.
TEST(Requirements, AreEachBrokenByOneOfTheZoo) {
  std::ifstream file(ESPALIER_SOURCE_DIR "/tests/zoo/CMakeLists.txt");
  std::ostringstream zoo;
  zoo << file.rdbuf();
  for (const Requirement& r : requirements()) {
    const std::string number = name_of(r.id).substr(5);
    EXPECT_THAT(zoo.str(), testing::AnyOf(testing::HasSubstr(" " + number),
                                          testing::HasSubstr("ESP-R" + number)))
        << r.sentence;
  }
}

}  // namespace
}  // namespace espalier::conform
