// SPDX-License-Identifier: Apache-2.0
#include "io/protection_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace espalier::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::set<IpPrefix> prefixes(std::initializer_list<const char*> texts) {
  std::set<IpPrefix> all;
  for (const char* text : texts) all.insert(*IpPrefix::parse(text));
  return all;
}

ProtectionRules left(ProtectedNetworks networks) {
  return {"left", "esp0", {*IpAddress::parse("192.0.2.1"), 4500}, std::move(networks)};
}
ProtectionRules left() {
  return left({prefixes({"10.1.0.0/24", "fd00:1::/64"}), prefixes({"10.2.0.0/24", "fd00:2::/64"})});
}

// The rules of one chain, in order.
std::vector<std::string> chain(const std::string& text, const std::string& name) {
  const std::string start = "add rule inet espalier-left " + name + " ";
  std::vector<std::string> rules;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.starts_with(start)) rules.push_back(line.substr(start.size()));
    at = end + 1;
  }
  return rules;
}

TEST(ProtectionRules, StandInATableThatNamesItsGateway) {
  EXPECT_THAT(rules_text(left()),
              testing::StartsWith("add table inet espalier-left { comment \"Espalier, site left: "
                                  "only esp0 carries what its tunnels protect\"; }\n"));
}

TEST(ProtectionRules, KnowTheNetworksOfBothIpVersions) {
  const std::string text = rules_text(left());
  for (const char* line : {"add element inet espalier-left local4 { 10.1.0.0/24 }\n",
                           "add element inet espalier-left local6 { fd00:1::/64 }\n",
                           "add element inet espalier-left remote4 { 10.2.0.0/24 }\n",
                           "add element inet espalier-left remote6 { fd00:2::/64 }\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

// A table that is deleted and made anew would leave a moment between its old and its new hooks.
TEST(ProtectionRules, ReplaceOthersWithinTheirChains) {
  const std::string text = rules_text(left());
  EXPECT_THAT(text, Not(HasSubstr("delete")));
  for (const char* chain :
       {"pass", "inbound", "arriving", "forwarded", "received", "sending", "leaving"})
    EXPECT_THAT(text, HasSubstr(std::string("flush chain inet espalier-left ") + chain + "\n"));
  for (const char* set : {"local4", "local6", "remote4", "remote6", "own4", "own6"})
    EXPECT_THAT(text, HasSubstr(std::string("flush set inet espalier-left ") + set + "\n"));
}

// The kernel goes through all elements of a set of intervals to change one.
TEST(ProtectionRules, KeepHostsOfThePeersInSetsWithoutIntervals) {
  const std::string text = rules_text(left({{}, prefixes({"10.2.0.0/24", "10.3.0.7", "fd00::7"})}));
  for (const char* line : {"add element inet espalier-left remote4 { 10.2.0.0/24 }\n",
                           "add element inet espalier-left hosts4 { 10.3.0.7 }\n",
                           "add element inet espalier-left hosts6 { fd00::7 }\n",
                           "add set inet espalier-left hosts4 { type ipv4_addr; comment ",
                           "add set inet espalier-left remote4 { type ipv4_addr; flags interval; "})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(ProtectionRules, SeeEveryWayInAndOut) {
  const std::string text = rules_text(left());
  for (const char* hook : {"arriving { type filter hook prerouting priority raw;",
                           "forwarded { type filter hook forward priority filter;",
                           "received { type filter hook input priority filter;",
                           "sending { type filter hook output priority filter;",
                           "leaving { type filter hook postrouting priority filter;"})
    EXPECT_THAT(text, HasSubstr(hook));
  for (const char* way_in : {"arriving", "forwarded", "received"})
    EXPECT_THAT(chain(text, way_in), testing::ElementsAre("ip daddr @local4 jump inbound",
                                                          "ip6 daddr @local6 jump inbound"))
        << way_in;
  EXPECT_EQ(chain(text, "inbound").back(),
            "ip6 saddr @hosts6 counter drop comment \"came in the clear\"");
  EXPECT_THAT(chain(text, "inbound"),
              testing::Contains("ip saddr @remote4 counter drop comment \"came in the clear\""));
  EXPECT_THAT(chain(text, "sending"),
              testing::ElementsAre(
                  "jump pass", "ip daddr @remote4 counter drop comment \"not through the tunnel\"",
                  "ip daddr @hosts4 counter drop comment \"not through the tunnel\"",
                  "ip6 daddr @remote6 counter drop comment \"not through the tunnel\"",
                  "ip6 daddr @hosts6 counter drop comment \"not through the tunnel\""));
  EXPECT_THAT(chain(text, "leaving"),
              testing::ElementsAre("jump pass",
                                   "ip saddr @local4 ip daddr @remote4 counter drop comment \"not "
                                   "through the tunnel\"",
                                   "ip saddr @local4 ip daddr @hosts4 counter drop comment \"not "
                                   "through the tunnel\"",
                                   "ip6 saddr @local6 ip6 daddr @remote6 counter drop comment "
                                   "\"not through the tunnel\"",
                                   "ip6 saddr @local6 ip6 daddr @hosts6 counter drop comment "
                                   "\"not through the tunnel\""));
}

TEST(ProtectionRules, LetTheTunnelsAndIkePassAtThisEndAlone) {
  ProtectionRules rules = left();
  rules.outer.port = 4600;
  const std::string text = rules_text(rules);
  EXPECT_THAT(chain(text, "inbound"),
              testing::IsSupersetOf(
                  {"iifname { \"lo\", \"esp0\" } accept",
                   "ip daddr 192.0.2.1 meta l4proto esp accept comment \"the tunnels themselves\"",
                   "ip daddr 192.0.2.1 udp dport { 500, 4500, 4600 } accept comment \"the same in "
                   "UDP, and IKE\""}));
  EXPECT_THAT(chain(text, "pass"),
              testing::IsSupersetOf(
                  {"oifname { \"lo\", \"esp0\" } accept",
                   "ip saddr 192.0.2.1 meta l4proto esp accept comment \"the tunnels themselves\"",
                   "ip saddr 192.0.2.1 udp sport { 500, 4500, 4600 } accept comment \"the same in "
                   "UDP, and IKE\""}));
  rules.outer = {*IpAddress::parse("2001:db8::1"), 4500};
  EXPECT_THAT(rules_text(rules), HasSubstr("pass ip6 saddr 2001:db8::1 meta l4proto esp accept"));
  rules.outer = {*IpAddress::parse("::"), 4500};
  EXPECT_THAT(rules_text(rules), HasSubstr("pass meta nfproto ipv6 meta l4proto esp accept"));
}

TEST(ProtectionRules, LetLaterFragmentsOfTheTunnelsPacketsArriveAtThisEndAlone) {
  ProtectionRules rules = left();
  constexpr const char* kRule =
      "ip daddr 192.0.2.1 meta l4proto udp ip frag-off & 0x1fff != 0 accept comment \"fragments of "
      "that\"";
  EXPECT_THAT(chain(rules_text(rules), "inbound"), testing::Contains(kRule));
  EXPECT_THAT(rules_text(rules),
              testing::Not(HasSubstr("pass ip saddr 192.0.2.1 meta l4proto udp")));
  rules.outer = {*IpAddress::parse("2001:db8::1"), 4500};
  EXPECT_THAT(
      rules_text(rules),
      HasSubstr("inbound ip6 daddr 2001:db8::1 meta l4proto udp frag frag-off != 0 accept"));
}

// Where a peer is the way to everywhere, this gateway's own networks are inside of that.
TEST(ProtectionRules, LeaveLocalNetworksInsideOfARemoteOneAlone) {
  const std::string text = rules_text(left({prefixes({"10.1.0.0/24"}), prefixes({"0.0.0.0/0"})}));
  EXPECT_THAT(text, HasSubstr("add element inet espalier-left own4 { 10.1.0.0/24 }\n"));
  EXPECT_THAT(chain(text, "inbound"), testing::Contains("ip saddr @own4 accept"));
  EXPECT_THAT(chain(text, "pass"), testing::Contains("ip daddr @own4 accept"));
}

TEST(ProtectionRules, ExemptNoNetworkThatIsAsWideAsTheRemoteOne) {
  for (const auto& networks :
       {ProtectedNetworks{prefixes({"0.0.0.0/0"}), prefixes({"10.2.0.0/24"})},
        ProtectedNetworks{prefixes({"::/0"}), prefixes({"::/0"})}})
    EXPECT_THAT(rules_text(left(networks)), Not(HasSubstr("add element inet espalier-left own")));
}

CoverChange change(std::initializer_list<const char*> added,
                   std::initializer_list<const char*> removed) {
  const auto list = [](const std::set<IpPrefix>& all) {
    return std::vector<IpPrefix>(all.begin(), all.end());
  };
  return {list(prefixes(added)), list(prefixes(removed))};
}

TEST(ProtectionRules, ChangeByWhatIsDifferent) {
  ProtectedNetworks networks = left().networks;
  EXPECT_EQ(change_text("left", networks, {}), "");
  EXPECT_EQ(change_text("left", networks,
                        {{}, change({"10.2.0.0/16", "fd00:3::/64", "10.3.0.7"}, {"10.2.0.0/24"})}),
            "delete element inet espalier-left remote4 { 10.2.0.0/24 }\n"
            "add element inet espalier-left remote4 { 10.2.0.0/16 }\n"
            "add element inet espalier-left remote6 { fd00:3::/64 }\n"
            "add element inet espalier-left hosts4 { 10.3.0.7 }\n");
  EXPECT_EQ(networks.remote, prefixes({"10.2.0.0/16", "fd00:2::/64", "fd00:3::/64", "10.3.0.7"}));
  EXPECT_THAT(
      change_text("left", networks, {{}, change({"10.0.0.0/8"}, {"10.2.0.0/16", "10.3.0.7"})}),
      AllOf(HasSubstr("delete element inet espalier-left hosts4 { 10.3.0.7 }\n"),
            HasSubstr("add element inet espalier-left own4 { 10.1.0.0/24 }\n")));
}

// So that a change can be taken back of which it is not known how far it came.
TEST(ProtectionRules, DoNotChangeByWhatIsSoAlready) {
  ProtectedNetworks networks = left().networks;
  EXPECT_EQ(change_text("left", networks,
                        {change({"10.1.0.0/24"}, {}), change({"10.2.0.0/24"}, {"10.9.0.0/24"})}),
            "");
  EXPECT_EQ(networks, left().networks);
}

TEST(ProtectionRules, AreRemovedWithTheirTable) {
  EXPECT_EQ(removal_text("left"),
            "add table inet espalier-left\ndelete table inet espalier-left\n");
}

}  // namespace
}  // namespace espalier::io
