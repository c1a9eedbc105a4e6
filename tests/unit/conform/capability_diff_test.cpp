// SPDX-License-Identifier: Apache-2.0
//
// Golden comparisons of tests/data/conform. ESPALIER_UPDATE_GOLDEN=1 writes them anew, for review.
#include <gmock/gmock.h>
#include <conform/capability_diff.hpp>
#include <conform/profile.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <unit/places.hpp>

namespace espalier::conform {
namespace {

using testing::HasSubstr;
using Effect = Difference::Effect;

const std::string kFolder = ESPALIER_TEST_DATA "/conform/";

std::string read(const std::string& name) {
  std::ifstream file(kFolder + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Inventory inventory(const std::string& name) {
  auto found = inventory_from_json(read(name));
  if (!found) throw std::runtime_error(found.error().message);
  return *std::move(found);
}

std::string told(const std::vector<Difference>& all) {
  std::string text;
  for (const Difference& each : all)
    text += std::string(to_string(each.effect)) + ": " + sentence(each) + "\n";
  return text;
}

void expect_golden(const std::string& name, const std::string& text) {
  if (std::getenv("ESPALIER_UPDATE_GOLDEN") != nullptr) std::ofstream(kFolder + name) << text;
  EXPECT_EQ(text, read(name)) << name;
}

TEST(CapabilityDiff, IsEmptyBetweenEqualInventories) {
  EXPECT_EQ(told(differences(inventory("old.json"), inventory("old.json"))), "");
}

TEST(CapabilityDiff, TellsLossesGainsAndOtherChanges) {
  expect_golden("old-new.diff", told(differences(inventory("old.json"), inventory("new.json"))));
}

// Each loss one way is a gain the other way.
TEST(CapabilityDiff, IsTheOtherWayRoundFromTheOtherSide) {
  const auto there = differences(inventory("old.json"), inventory("new.json"));
  const auto back = differences(inventory("new.json"), inventory("old.json"));
  const auto count = [](const auto& all, Effect effect) {
    return std::ranges::count(all, effect, &Difference::effect);
  };
  EXPECT_EQ(there.size(), back.size());
  EXPECT_EQ(count(there, Effect::loss), count(back, Effect::gain));
  EXPECT_EQ(count(there, Effect::gain), count(back, Effect::loss));
}

TEST(CapabilityDiff, TakesTheOnlyBackendAndDeviceForTheSame) {
  Inventory renamed = inventory("old.json");
  renamed.backends[0].name = "other";
  renamed.backends[0].devices[0].name = "other0";
  const auto all = differences(inventory("old.json"), renamed);
  for (const Difference& each : all) EXPECT_EQ(each.effect, Effect::change) << sentence(each);
  EXPECT_EQ(all.size(), 2U);
}

TEST(CapabilityDiff, LosesWhatIsNotThereAtAll) {
  Inventory two = inventory("old.json");
  two.backends.push_back(two.backends[0]);
  two.backends[1].name = "second";
  const auto all = differences(two, inventory("old.json"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(sentence(all[0]), "second: backend: yes in A, no in B");
  EXPECT_EQ(all[0].effect, Effect::loss);
}

// A transform that is declared in two parts.
Inventory in_parts(std::uint32_t second_key_bits) {
  Inventory parts = inventory("old.json");
  auto& capabilities = parts.backends[0].devices[0].capabilities;
  capabilities.resize(1);
  capabilities.push_back(capabilities[0]);
  capabilities[0].key_bits = ESPALIER_KEY_128;
  capabilities[1].key_bits = second_key_bits;
  return parts;
}

TEST(CapabilityDiff, PutsEachPartOfATransformBesideItsEqual) {
  const Inventory parts = in_parts(ESPALIER_KEY_256);
  Inventory swapped = parts;
  std::ranges::reverse(swapped.backends[0].devices[0].capabilities);
  EXPECT_EQ(told(differences(parts, parts)), "");
  EXPECT_EQ(told(differences(parts, swapped)), "");
  const auto all = differences(parts, in_parts(ESPALIER_KEY_192));
  EXPECT_EQ(std::ranges::count(all, Effect::loss, &Difference::effect), 1) << told(all);
  EXPECT_EQ(std::ranges::count(all, Effect::gain, &Difference::effect), 1) << told(all);
}

TEST(CapabilityDiff, LosesTheDataplaneThatADeviceIsNotOfAnyMore) {
  Inventory moved = inventory("old.json");
  auto& plane = moved.backends[0].devices[0].dataplane;
  plane = plane == Dataplane::kernel ? Dataplane::userspace : Dataplane::kernel;
  const auto all = differences(inventory("old.json"), moved);
  ASSERT_EQ(all.size(), 2U) << told(all);
  EXPECT_EQ(all[0].effect, Effect::loss);
  EXPECT_EQ(all[1].effect, Effect::gain);
}

TEST(Profile, SaysInWhatTheDeviceIsNotAsItsSheet) {
  const auto profile = Profile::read(kFolder + "sheet.toml");
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_TRUE(profile->declares());
  std::string text;
  for (const auto& words : profile->differences(inventory("new.json").backends[0].devices))
    text += words + "\n";
  expect_golden("sheet-new.diff", text);
}

TEST(Profile, LeavesOpenWhatItDoesNotSay) {
  const auto profile = Profile::parse(
      "[[devices]]\n[[devices.capabilities]]\ncipher = 'aes-gcm'\nintegrity = 'none'\n"
      "[[devices.capabilities]]\ncipher = 'aes-cbc'\nintegrity = 'hmac-sha1'\n",
      "it");
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_THAT(profile->differences(inventory("old.json").backends[0].devices), testing::IsEmpty());
}

TEST(Profile, SetsHowMuchIsDone) {
  const auto profile = Profile::parse("[conform]\npackets = 7\ncase_seconds = 9\n", "it");
  ASSERT_TRUE(profile);
  EXPECT_FALSE(profile->declares());
  const Budget budget = profile->applied_to(Budget{});
  EXPECT_EQ(budget.packets, 7U);
  EXPECT_EQ(budget.case_seconds, 9U);
  EXPECT_EQ(budget.sessions, Budget{}.sessions);
}

TEST(Profile, NamesWhatIsWrongWithIt) {
  const std::pair<const char*, const char*> cases[] = {
      {"[conform]\npakets = 7\n", "has no key 'pakets'"},
      {"[conform]\npackets = 0\n", "whole number of 1"},
      {"[conform]\npackets = 'many'\n", "whole number of 1"},
      {"colour = 'red'\n", "'colour' is not of a profile"},
      {"= 3", "line 1"},
      {"[[devices]]\nspeed = 3\n", "speed"},
      {"[[devices]]\n[[devices.capabilities]]\ncipher = 'rot13'\nintegrity = 'none'\n", "rot13"}};
  for (const auto& [text, words] : cases) {
    const auto profile = Profile::parse(text, "sheet.toml");
    ASSERT_FALSE(profile) << text;
    EXPECT_THAT(profile.error().message, HasSubstr("Profile 'sheet.toml': ")) << text;
    EXPECT_THAT(profile.error().message, HasSubstr(words)) << text;
  }
}

}  // namespace
}  // namespace espalier::conform
