// SPDX-License-Identifier: Apache-2.0
//
// The JSON Schema that editors use says what the parser says.
#include <fmt/format.h>
#include <sys/wait.h>
#include <config/key_tables.hpp>
#include <model/transform_pattern.hpp>
#include <nlohmann/json.hpp>
#include <unit/places.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "mistake.hpp"

namespace espalier {
namespace {

using nlohmann::json;

const std::filesystem::path kSource = ESPALIER_SOURCE_DIR;
const std::filesystem::path kSchemaFile = kSource / "configs/schema/espalier.schema.json";

// The schema of a value, behind references and alternatives: the part that is a table.
json resolved(const json& schema, json node) {
  for (bool again = true; again;) {
    again = false;
    const json alternatives = node.value("allOf", node.value("anyOf", json::array()));
    for (const json& part : alternatives)
      if (part.contains("$ref") || part.contains("properties")) {
        node = part;
        again = true;
        break;
      }
    if (node.contains("$ref")) {
      const std::string pointer = node["$ref"].get<std::string>().substr(1);
      node = schema.at(json::json_pointer(pointer));
      again = true;
    }
  }
  return node;
}

// The schema of the tables at a path of key_tables(): "site.*.tun", "tunnel[].keys".
json table_at(const json& schema, std::string_view path) {
  json node = schema;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('.'), path.size());
    std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    const bool list = part.ends_with("[]");
    if (list) part.remove_suffix(2);
    node = resolved(schema, part == "*" ? node.at("additionalProperties")
                                        : node.at("properties").at(std::string(part)));
    if (list) node = resolved(schema, node.at("items"));
  }
  return node;
}

json schema() { return json::parse(read_text(kSchemaFile)); }

std::size_t count_tables(const json& node) {
  std::size_t count = node.is_object() && node.contains("properties") ? 1 : 0;
  if (node.is_structured())
    for (const json& child : node) count += count_tables(child);
  return count;
}

TEST(Schema, HasExactlyTheKeysOfTheParser) {
  const json whole = schema();
  for (const config::KeyTable& table : config::key_tables()) {
    const json node = table_at(whole, table.path);
    std::set<std::string> in_schema;
    for (const auto& [key, unused] : node.at("properties").items()) in_schema.insert(key);
    EXPECT_EQ(in_schema, std::set<std::string>(table.keys.begin(), table.keys.end()))
        << "of the table '" << table.path << "'";
    EXPECT_EQ(node.value("additionalProperties", json(true)), json(false))
        << "the table '" << table.path << "' must refuse unknown keys";
  }
}

TEST(Schema, RequiresExactlyWhatTheParserRequires) {
  const json whole = schema();
  for (const config::KeyTable& table : config::key_tables()) {
    const auto required = table_at(whole, table.path).value("required", std::set<std::string>());
    EXPECT_EQ(required, std::set<std::string>(table.required.begin(), table.required.end()))
        << "of the table '" << table.path << "'";
  }
}

TEST(Schema, DescribesNoTableThatTheParserDoesNotKnow) {
  std::set<std::string> known;  // tables that are one in the schema: both directions' keys
  for (const config::KeyTable& table : config::key_tables()) {
    const auto shared = table.path.find("static.");
    known.insert(shared == std::string::npos    ? table.path
                 : table.path.ends_with("_key") ? "key"
                                                : "static_keys");
  }
  EXPECT_EQ(count_tables(schema()), known.size());
}

TEST(Schema, KnowsEveryTransformByNameAndAlias) {
  std::set<std::string> known;
  for (const TransformInfo& info : transforms()) {
    known.emplace(info.name);
    if (!info.alias.empty()) known.emplace(info.alias);
  }
  const json whole = schema();
  const json& any_of = whole.at("definitions").at("transform").at("anyOf");
  EXPECT_EQ(any_of.at(0).at("enum").get<std::set<std::string>>(), known) << "what editors offer";
  EXPECT_EQ(any_of.at(1).at("pattern"), transform_pattern()) << "what they do not complain of";
}

class SchemaChoices : public ConfigTest {};

TEST_F(SchemaChoices, AreThoseOfTheParser) {
  struct Place {
    std::string pointer;
    std::string before;  // in the file, up to the value
    std::string after;
  };
  const std::string rule = "[[rule]]\nname = \"r\"\nbackends = []\n";
  const Place places[] = {
      {"/properties/gateway/properties/dataplane/enum", "[gateway]\ndataplane = ", ""},
      {"/definitions/fallback/enum", "[policy]\nfallback = ", ""},
      {"/properties/rule/items/properties/match/properties/direction/enum",
       rule + "match = { direction = ", " }"},
      {"/properties/tunnel/items/properties/encapsulation/enum",
       changed(base(), {{"site = \"left\"\n", ""}}) + "encapsulation = ", ""},
  };
  const json whole = schema();
  for (const Place& place : places) {
    for (const json& choice : whole.at(json::json_pointer(place.pointer))) {
      const ConfigReading reading = read(place.before + choice.dump() + place.after + "\n");
      EXPECT_TRUE(reading.config) << place.pointer << ": " << choice
                                  << testing::PrintToString(sentences(reading));
    }
    EXPECT_FALSE(read(place.before + "\"nonsense\"" + place.after + "\n").config) << place.pointer;
  }
}

// Pointers to all numbers of the schema that have a bound.
void find_bounded(const json& node, const std::string& pointer, std::set<std::string>& found) {
  if (node.is_object() && (node.contains("minimum") || node.contains("maximum")))
    found.insert(pointer);
  if (!node.is_structured()) return;
  for (const auto& [key, child] : node.items()) find_bounded(child, pointer + "/" + key, found);
}

class SchemaBounds : public ConfigTest {
 protected:
  bool takes(const std::string& before, std::int64_t value, const std::string& after) {
    return read(before + std::to_string(value) + after + "\n").config.has_value();
  }
};

TEST_F(SchemaBounds, AreThoseOfTheParser) {
  struct Place {
    std::string pointer;
    std::string before;  // in the file, up to the value
    std::string after;
  };
  const std::string gateway = "/properties/gateway/properties/";
  const std::string site = "/properties/site/additionalProperties/properties/";
  const std::string tunnel = "/properties/tunnel/items/properties/";
  const std::string a_site = "[site.s]\naddress = \"192.0.2.9\"\nnetworks = [\"10.9.0.0/24\"]\n";
  const std::string spi = "spi = [";
  const std::string fixed = static_base();
  const std::size_t at_spi = fixed.find(spi) + spi.size();
  const Place places[] = {
      {gateway + "workers", "[gateway]\nworkers = ", ""},
      {"/properties/backend/additionalProperties/properties/max_sas",
       "[backend.aesni]\nmax_sas = ", ""},
      {site + "port", a_site + "port = ", ""},
      {site + "tun/properties/mtu", a_site + "tun = { mtu = ", " }"},
      {tunnel + "replay_window", base() + "replay_window = ", ""},
      {tunnel + "outer/properties/dscp", base() + "outer = { dscp = ", " }"},
      {tunnel + "lifetime/properties/soft_bytes", base() + "lifetime = { soft_bytes = ", " }"},
      {tunnel + "lifetime/properties/hard_bytes", base() + "lifetime = { hard_bytes = ", " }"},
      {tunnel + "lifetime/properties/soft_packets", base() + "lifetime = { soft_packets = ", " }"},
      {tunnel + "lifetime/properties/hard_packets", base() + "lifetime = { hard_packets = ", " }"},
      {tunnel + "lifetime/properties/soft_seconds", base() + "lifetime = { soft_seconds = ", " }"},
      {tunnel + "lifetime/properties/hard_seconds", base() + "lifetime = { hard_seconds = ", " }"},
      {tunnel + "nat/properties/keepalive", base() + "nat = { keepalive = ", " }"},
      {tunnel + "dummies/properties/interval", base() + "dummies = { interval = ", " }"},
      {tunnel + "dummies/properties/bytes", base() + "dummies = { interval = 1000, bytes = ", " }"},
      {tunnel + "keys/properties/static/properties/spi/items", fixed.substr(0, at_spi),
       ", 0x1002]" + fixed.substr(fixed.find(']', at_spi) + 1)},
  };
  const json whole = schema();
  std::set<std::string> bounded, covered;
  find_bounded(whole, "", bounded);
  for (const Place& place : places) {
    covered.insert(place.pointer);
    const json node = whole.at(json::json_pointer(place.pointer));
    for (const auto& [bound, beyond] : {std::pair("minimum", -1), std::pair("maximum", 1)}) {
      if (!node.contains(bound)) continue;
      const auto edge = node.at(bound).get<std::int64_t>();
      EXPECT_TRUE(takes(place.before, edge, place.after)) << place.pointer << ": " << edge;
      EXPECT_FALSE(takes(place.before, edge + beyond, place.after))
          << place.pointer << ": " << edge + beyond << " is beyond the schema's " << bound;
    }
  }
  EXPECT_EQ(covered, bounded) << "a number with bounds that is not tried here";
}

TEST(Schema, MatchesTheApplianceFilesAndNoMistakeInThem) {
  if (std::system("python3 -c 'import tomllib, jsonschema' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3 (3.11) with python3-jsonschema is not installed";
  std::string command =
      fmt::format("python3 '{}' '{}'", (kSource / "tests/unit/config/check_schema.py").string(),
                  kSchemaFile.string());
  for (const char* folder : {"configs/appliances", "configs/appliances/peers"})
    for (const auto& entry : std::filesystem::directory_iterator(kSource / folder))
      if (entry.path().extension() == ".toml")
        command += fmt::format(" '{}'", entry.path().string());
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the lines above";
}

}  // namespace
}  // namespace espalier
