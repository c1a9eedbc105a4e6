// SPDX-License-Identifier: Apache-2.0
#include <unit/select/fixture.hpp>

namespace espalier {
namespace {

using namespace test;

Inventory three_backends() {
  Inventory inventory;
  inventory.backends = {a_backend("openssl", {a_device("cpu", 100)}),
                        a_backend("aesni", {a_device("cpu", 300)}),
                        a_backend("card", {a_device("c1", 250), a_device("c0", 250)})};
  return inventory;
}

std::string decide(const Policy& policy, const Inventory& inventory = three_backends(),
                   const SaSpec& sa = an_sa()) {
  return summary(select(sa, inventory, policy));
}

TEST(SelectOrder, IsThePolicysWhateverTheScores) {
  EXPECT_EQ(decide(a_policy({"openssl", "aesni"})), "openssl/cpu chosen, aesni/cpu not_needed");
  EXPECT_EQ(decide(a_policy({"aesni", "openssl"})), "aesni/cpu chosen, openssl/cpu not_needed");
}

TEST(SelectOrder, WithinABackendIsByScoreThenByName) {
  Inventory inventory = three_backends();
  EXPECT_EQ(decide(a_policy({"card"}), inventory), "card/c0 chosen, card/c1 not_needed");
  inventory.backends[2].devices[0].capabilities[0].score = 251;
  EXPECT_EQ(decide(a_policy({"card"}), inventory), "card/c1 chosen, card/c0 not_needed");
}

TEST(SelectOrder, ChoosesTheFirstThatFits) {
  Inventory inventory = three_backends();
  inventory.backends[2].devices[1].state = DeviceState::down;
  const Decision decision = select(an_sa(), inventory, a_policy({"gone", "card", "aesni"}));
  EXPECT_EQ(summary(decision),
            "gone/ device.absent, card/c0 device.down, card/c1 chosen, aesni/cpu not_needed");
  EXPECT_EQ(decision.chosen, 2U);
  EXPECT_EQ(decision.candidates[3].sentence, "could take it, but card c1 comes first");
  EXPECT_EQ(decision.candidates[0].order, 1U);
  EXPECT_EQ(decision.candidates[2].order, 2U);
  EXPECT_EQ(decision.candidates[3].order, 3U);
}

TEST(SelectOrder, ANameThatIsRepeatedCountsOnce) {
  EXPECT_EQ(decide(a_policy({"aesni", "openssl", "aesni"})),
            "aesni/cpu chosen, openssl/cpu not_needed");
}

TEST(SelectFallback, FailAddsNothing) {
  Inventory inventory = three_backends();
  inventory.backends[1].devices[0].state = DeviceState::lost;
  const Decision decision = select(an_sa(), inventory, a_policy({"aesni"}, Fallback::fail));
  EXPECT_EQ(summary(decision), "aesni/cpu device.lost");
  EXPECT_EQ(decision.chosen, std::nullopt);
  EXPECT_EQ(decision.fallback, Fallback::fail);
}

TEST(SelectFallback, SoftwareAddsOpensslAlone) {
  EXPECT_EQ(decide(a_policy({"gone"}, Fallback::software)),
            "gone/ device.absent, openssl/cpu chosen");
  EXPECT_EQ(decide(a_policy({"openssl"}, Fallback::software)), "openssl/cpu chosen")
      << "it stands in the list already";
  EXPECT_EQ(decide(a_policy({"gone"}, Fallback::software), Inventory{}),
            "gone/ device.absent, openssl/ device.absent");
}

TEST(SelectFallback, NextAddsAllOthersByScoreThenByName) {
  const Decision decision = select(an_sa(), three_backends(), a_policy({"gone"}, Fallback::next));
  EXPECT_EQ(summary(decision),
            "gone/ device.absent, aesni/cpu chosen, card/c0 not_needed, card/c1 not_needed, "
            "openssl/cpu not_needed");
  EXPECT_EQ(decision.candidates[0].order, 1U);
  EXPECT_EQ(decision.candidates[1].order, 0U);
  Inventory inventory = three_backends();
  inventory.backends[0].devices[0].capabilities[0].score = 250;
  inventory.backends[1].devices[0].capabilities[0].score = 250;
  EXPECT_EQ(decide(a_policy({}, Fallback::next), inventory),
            "aesni/cpu chosen, card/c0 not_needed, card/c1 not_needed, openssl/cpu not_needed");
}

TEST(SelectFallback, OfARuleTriesThePolicysBackendsFirst) {
  Policy policy = a_policy({"openssl", "gone"}, Fallback::fail);
  policy.rules.push_back({"special", {}, {"absent"}, Fallback::next});
  EXPECT_EQ(decide(policy),
            "absent/ device.absent, openssl/cpu chosen, aesni/cpu not_needed, card/c0 not_needed, "
            "card/c1 not_needed");
}

TEST(SelectRules, TheFirstThatMatchesDecides) {
  Policy policy = a_policy({"openssl"}, Fallback::next);
  Rule outbound{"outbound", {}, {"card"}, Fallback::fail};
  outbound.match.direction = Direction::outbound;
  policy.rules = {outbound, {"rest", {}, {"aesni"}, Fallback::fail}, {"never", {}, {}, {}}};
  SaSpec sa = an_sa();
  Decision decision = select(sa, three_backends(), policy);
  EXPECT_EQ(decision.rule, "rest");
  EXPECT_EQ(summary(decision), "aesni/cpu chosen");
  sa.direction = Direction::outbound;
  decision = select(sa, three_backends(), policy);
  EXPECT_EQ(decision.rule, "outbound");
  EXPECT_EQ(decision.fallback, Fallback::fail);
  EXPECT_EQ(summary(decision), "card/c0 chosen, card/c1 not_needed");
}

TEST(SelectRules, WithoutAMatchThePolicysListIsUsed) {
  Policy policy = a_policy({"openssl"}, Fallback::fail);
  policy.rules.push_back({"voice", {}, {"card"}, Fallback::next});
  policy.rules[0].match.traffic_class = "voice";
  const Decision decision = select(an_sa(), three_backends(), policy);
  EXPECT_EQ(decision.rule, "");
  EXPECT_EQ(decision.fallback, Fallback::fail);
  EXPECT_EQ(summary(decision), "openssl/cpu chosen");
}

TEST(SelectExcluded, IsListedOnlyWhereItWouldHaveBeenConsidered) {
  Policy policy = a_policy({"aesni"}, Fallback::next);
  policy.excluded = {"card", "elsewhere"};
  EXPECT_EQ(decide(policy), "aesni/cpu chosen, openssl/cpu not_needed, card/ policy.excluded");
  policy.fallback = Fallback::fail;
  EXPECT_EQ(decide(policy), "aesni/cpu chosen");
  policy.excluded = {"openssl"};
  policy.fallback = Fallback::software;
  EXPECT_EQ(decide(policy), "aesni/cpu chosen, openssl/ policy.excluded");
}

TEST(SelectBackend, OfTwoPluginsWithOneNameTheGoodOneIsUsed) {
  Inventory inventory = three_backends();
  inventory.backends.push_back(a_backend("aesni", {}));
  inventory.backends.back().rejected = "writable by everyone";
  EXPECT_EQ(decide(a_policy({"aesni"}), inventory), "aesni/cpu chosen, aesni/ plugin.rejected");
}

TEST(SelectNothing, IsAnAnswerToo) {
  const Decision decision = select(an_sa(), Inventory{}, a_policy({}, Fallback::next));
  EXPECT_TRUE(decision.candidates.empty());
  EXPECT_EQ(decision.chosen, std::nullopt);
  EXPECT_EQ(decision.sa, "golden/in");
}

TEST(DecisionText, IsAlignedForAPerson) {
  Policy policy = a_policy({"gone", "aesni"}, Fallback::software);
  policy.limits = {{"aesni", 9}};
  Inventory inventory = three_backends();
  inventory.load = {{"aesni", 4}};
  EXPECT_EQ(to_text(select(an_sa(), inventory, policy)),
            "golden/in: aesni cpu (no rule, fallback software)\n"
            "   1  gone          device.absent  there is no such plugin here\n"
            "   2  aesni    cpu  chosen         is the first that can take it; sas by policy 4 of "
            "9\n"
            "   -  openssl  cpu  not_needed     could take it, but aesni cpu comes first\n");
  policy = a_policy({"gone"});
  policy.rules.push_back({"all", {}, {"gone"}, Fallback::fail});
  EXPECT_EQ(to_text(select(an_sa(), inventory, policy)),
            "golden/in: no backend can take it (rule all, fallback fail)\n"
            "   1  gone    device.absent  there is no such plugin here\n");
}

TEST(DecisionJson, NamesTheChosenByItsPlace) {
  const std::string none = to_json(select(an_sa(), Inventory{}, a_policy({})));
  EXPECT_EQ(none,
            "{\"sa\": \"golden/in\", \"rule\": \"\", \"fallback\": \"fail\", \"chosen\": null, "
            "\"candidates\": []}\n");
  const std::string some = to_json(select(an_sa(), three_backends(), a_policy({"gone", "aesni"})));
  EXPECT_TRUE(some.contains("\"chosen\": 1")) << some;
}

}  // namespace
}  // namespace espalier
