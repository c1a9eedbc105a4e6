// SPDX-License-Identifier: Apache-2.0
#include <model/json_text.hpp>

#include <gtest/gtest.h>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

TEST(JsonText, KeepsWhatFitsOnOneLine) {
  EXPECT_EQ(json_text(Json{{"b", 1}, {"a", Json::array({1, "x", nullptr})}}),
            "{\"b\": 1, \"a\": [1, \"x\", null]}\n");
}

TEST(JsonText, BreaksWhatDoesNotFit) {
  const std::string word(60, 'w');
  EXPECT_EQ(json_text(Json{{"first", word}, {"list", Json::array({word, 2})}}),
            "{\n  \"first\": \"" + word + "\",\n  \"list\": [\"" + word + "\", 2]\n}\n");
}

TEST(JsonText, IsReadBackAsTheSameValue) {
  Json value = {{"empty", Json::object()}, {"none", Json::array()}, {"big", 18446744073709551615U}};
  for (int i = 0; i < 30; ++i)
    value["list"].push_back({{"name", "item \"" + std::to_string(i) + "\"\n"}, {"value", -i}});
  EXPECT_EQ(Json::parse(json_text(value)), value);
}

TEST(JsonText, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(json_text(Json("\xff")), "\"\xef\xbf\xbd\"\n");
}

}  // namespace
}  // namespace espalier
