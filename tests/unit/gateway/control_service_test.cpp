// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_service.hpp"

#include "gateway/site_view.hpp"

#include "unit/gateway/sim_gateway.hpp"

#include <fake_builder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace espalier {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

GatewayConfig site_config() {
  GatewayConfig config;
  config.file = "site.toml";
  config.site = "left";
  config.sites["left"].outer = {IpAddress::parse("192.0.2.1").value(), 4500};
  return config;
}

constexpr const char* kSa =
    R"("sa":{"name":"office/out","direction":"outbound","spi":4096,"transform":"aes256gcm16",)"
    R"("local":"192.0.2.1:4500","peer":"192.0.2.2:4500",)"
    R"("selectors":[{"source":"10.1.0.0/16","destination":"10.2.0.0/16"}]})";
constexpr const char* kKeys =
    R"("keys":{"cipher":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",)"
    R"("salt":"01020304"})";
constexpr const char* kFreshKeys =
    R"("keys":{"cipher":"f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",)"
    R"("salt":"01020304"})";

// What the fake does by itself, and something to be warned of.
std::vector<espalier_capability> capabilities() {
  auto all = mock::toy_capabilities();
  all.push_back(mock::fake_capability(ESPALIER_CIPHER_NULL, ESPALIER_INTEGRITY_HMAC_SHA256,
                                      ESPALIER_KEY_ANY, ESPALIER_ICV(16)));
  return all;
}

// The service on a gateway with one backend, `fake`.
class ControlServiceTest : public testing::Test {
 protected:
  ordered_json ask(std::string line) {
    const ControlReply reply = service_.answer(line);
    line_after_ = line;
    stopped_ = reply.stop;
    std::string whole = reply.line;
    parts_ = 1;
    for (; reply.next; ++parts_) {
      const auto part = reply.next();
      if (!part) break;
      EXPECT_LT(part->size(), 512 * 1024u) << "a part is what the loop may wait for";
      whole += *part;
      if (between_parts_) between_parts_();
    }
    EXPECT_EQ(whole.find('\n'), std::string::npos) << "a reply is one line";
    return ordered_json::parse(whole);
  }
  std::string complaint(const std::string& line) {
    const auto reply = ask(line);
    return reply.at("ok") == false ? reply.at("error").at("message").get<std::string>() : "";
  }
  std::string add_request() const {
    return std::string(R"({"verb":"sa.add",)") + kSa + "," + kKeys + "}";
  }
  std::string with(std::string text, const std::string& from, const std::string& to) const {
    const auto at = text.find(from);
    return at == std::string::npos ? "" : text.replace(at, from.size(), to);
  }

  test::SimGateway sim_{{mock::FakeBackendBuilder{}.name("fake").caps(capabilities()).build()}, 1};
  Monitor monitor_{sim_.gateway(), {}};
  GatewayConfig config_ = site_config();
  ControlService service_{sim_.gateway(), monitor_, sim_.secrets(), config_};
  int parts_ = 0;  // in which the last reply came
  std::function<void()> between_parts_;
  std::string line_after_;
  bool stopped_ = false;
};

TEST_F(ControlServiceTest, AddsAnSaAndSaysWhereItWent) {
  const auto reply = ask(add_request());
  ASSERT_EQ(reply.at("ok"), true) << reply;
  const auto& decision = reply.at("decision");
  EXPECT_EQ(decision.at("sa"), "office/out") << "under the name that it was given";
  EXPECT_EQ(decision.at("candidates").at(decision.at("chosen").get<std::size_t>()).at("backend"),
            "fake");
  const auto listed = ask(R"({"verb":"sa.list"})");
  ASSERT_EQ(listed.at("sas").size(), 1u);
  EXPECT_EQ(listed["sas"][0].at("name"), "office/out");
  EXPECT_EQ(listed["sas"][0].at("spi"), 4096);
  EXPECT_EQ(listed["sas"][0].at("backend"), "fake");
}

// More SAs than go into one part of a reply.
class ControlServiceOfManyTest : public ControlServiceTest {
 protected:
  static constexpr int kSas = 2 * ControlService::kSasAtOnce + 1;
  static std::string name(int i) { return "sa-" + std::to_string(10000 + i); }
  bool add(int i) {
    std::string request =
        with(with(add_request(), "4096", std::to_string(10000 + i)), "office/out", name(i));
    return ask(with(request, "0001020304", "aa0102" + std::to_string(1000 + i))).at("ok") == true;
  }
  ControlServiceOfManyTest() {
    for (int i = 0; i < kSas; ++i) EXPECT_TRUE(add(i));
  }
};

TEST_F(ControlServiceOfManyTest, GivesThemInPartsThatTogetherAreOneReply) {
  for (const char* verb : {R"({"verb":"sa.list"})", R"({"verb":"status"})"}) {
    const auto reply = ask(verb);
    EXPECT_EQ(reply.at("ok"), true);
    EXPECT_GE(parts_, 3) << "others must have their turn in between";
    ASSERT_EQ(reply.at("sas").size(), std::size_t{kSas});
    for (int i = 0; i < kSas; ++i)
      EXPECT_EQ(reply["sas"][static_cast<std::size_t>(i)].at("name"), name(i));
  }
}

TEST_F(ControlServiceOfManyTest, MissesNoneWhenOthersComeAndGoMeanwhile) {
  between_parts_ = [this, gone = 0]() mutable {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(sim_.gateway().remove(name(gone++)));
  };
  const auto reply = ask(R"({"verb":"sa.list"})");
  EXPECT_EQ(reply.at("sas").size(), std::size_t{kSas}) << "those that went had been told already";
  EXPECT_EQ(reply.at("sas").back().at("name"), name(kSas - 1));
}

TEST_F(ControlServiceTest, WarnsOfATransformThatShouldBeAvoided) {
  EXPECT_EQ(ask(add_request()).at("warning"), "");
  const std::string keys = R"("keys":{"integrity":")" + std::string(64, '2') + R"("})";
  auto sa = with(with(kSa, "aes256gcm16", "null-sha256"), "office/out", "old/out");
  sa = with(with(sa, "4096", "4097"), "10.1.0.0", "10.3.0.0");
  const auto reply = ask(R"({"verb":"sa.add",)" + sa + "," + keys + "}");
  ASSERT_EQ(reply.at("ok"), true) << reply;
  EXPECT_EQ(reply.at("warning"), "null-sha256: not encrypted: NULL only authenticates");
}

TEST_F(ControlServiceTest, KeepsEventsAndNumbersThem) {
  EXPECT_TRUE(ask(R"({"verb":"events"})").at("events").empty());
  for (int i = 0; i < 300; ++i) {
    const auto line = ordered_json::parse(service_.note(
        {GatewayEvent::Kind::soft_lifetime, "office/out", "SA office/out is to be rekeyed"}));
    EXPECT_EQ(line.at("event").at("number"), i + 1);
    EXPECT_EQ(line.at("event").at("kind"), "sa.soft_lifetime");
  }
  const auto kept = ask(R"({"verb":"events"})").at("events");
  ASSERT_EQ(kept.size(), EventLog::kKept);
  EXPECT_EQ(kept.back().at("number"), 300);
  EXPECT_EQ(kept.front().at("number"), 300 - EventLog::kKept + 1) << "the oldest go first";
  EXPECT_THAT(complaint(R"({"verb":"events","follow":1})"), HasSubstr("true or false"));
}

TEST_F(ControlServiceTest, OnlyThoseWhoAskForItFollow) {
  for (const auto& [line, follows] :
       {std::pair{R"({"verb":"events","follow":true})", true},
        std::pair{R"({"verb":"events","follow":false})", false},
        std::pair{R"({"verb":"events"})", false}, std::pair{R"({"verb":"sa.list"})", false}}) {
    std::string request = line;
    EXPECT_EQ(service_.answer(request).follow, follows) << line;
  }
}

TEST_F(ControlServiceTest, WipesTheRequestAndNeverRepeatsAKey) {
  const auto reply = ask(add_request());
  EXPECT_TRUE(std::ranges::all_of(line_after_, [](char c) { return c == '\0'; }));
  EXPECT_THAT(reply.dump(), Not(HasSubstr("000102")));
  for (const char* text : {"{\"verb\":\"sa.add\",\"keys\":{\"cipher\":\"0badcafe\"", "0badcafe",
                           "{\"verb\":\"0badcafe\"}", "{\"keys\":{\"cipher\":\"0badcafex\"}}",
                           "{\"verb\":\"sa.add\",\"keys\":{\"ciph\\u0065r\":\"0badcafe\"}}"}) {
    const std::string said = complaint(text);
    EXPECT_NE(said, "") << text;
    const bool holds_key = std::string_view(text).find("\"verb\":\"0") == std::string_view::npos;
    EXPECT_TRUE(!holds_key || said.find("0badcafe") == std::string::npos) << text << said;
    EXPECT_TRUE(std::ranges::all_of(line_after_, [](char c) { return c == '\0'; })) << text;
  }
}

TEST_F(ControlServiceTest, RefusesKeysThatDoNotFit) {
  EXPECT_THAT(complaint(with(add_request(), R"(,"salt":"01020304")", "")),
              HasSubstr("The salt of SA 'office/out' is 0 bytes long; aes256gcm16 takes 4."));
  EXPECT_THAT(complaint(with(add_request(), "1e1f", "")), HasSubstr("is 30 bytes long"));
  EXPECT_EQ(ask(R"({"verb":"sa.list"})").at("sas").size(), 0u) << "nothing was added";
}

TEST_F(ControlServiceTest, RefusesAnSaThatMayNotBe) {
  EXPECT_THAT(complaint(with(add_request(), "4096", "255")), HasSubstr("from 256 to"));
  EXPECT_THAT(complaint(with(add_request(), R"("10.1.0.0/16")", R"("10.1.0.0/33")")),
              Not(HasSubstr("ok")));
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  EXPECT_THAT(complaint(add_request()), HasSubstr("office/out")) << "a second of that name";
}

TEST_F(ControlServiceTest, RefusesAnSaThatThePortsDoNotCarry) {
  EXPECT_EQ(complaint(with(add_request(), "192.0.2.1:4500", "192.0.2.9:4500")),
            "SA 'office/out' has the local end 192.0.2.9:4500, but this gateway's is "
            "192.0.2.1:4500.");
  EXPECT_EQ(complaint(with(add_request(), "192.0.2.1:4500", "192.0.2.1:4501")),
            "SA 'office/out' has the local end 192.0.2.1:4501, but this gateway's is "
            "192.0.2.1:4500.");
  EXPECT_EQ(complaint(with(add_request(), R"("spi")", R"("encapsulation":"none","spi")")),
            "SA 'office/out' asks for raw ESP (encapsulation 'none'), but this gateway carries ESP "
            "in UDP (encapsulation 'udp').");
  const std::string by_eth9 = with(add_request(), R"("spi")", R"("interface":"eth9","spi")");
  EXPECT_EQ(complaint(by_eth9),
            "SA 'office/out' leaves by the interface eth9, but [site.left] of "
            "this gateway names none.");
  config_.sites["left"].interface = "eth0";
  EXPECT_EQ(complaint(by_eth9),
            "SA 'office/out' leaves by the interface eth9, but this gateway's is eth0.");
  EXPECT_EQ(ask(R"({"verb":"sa.list"})").at("sas").size(), 0u) << "nothing was added";
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  EXPECT_THAT(
      complaint(
          std::string(
              R"({"verb":"sa.rekey","name":"office/out","sa":{"spi":4097,"local":"192.0.2.9"},)") +
          kFreshKeys + "}"),
      HasSubstr("this gateway's is 192.0.2.1:4500"));
}

// Among equal selectors the newest SA would get every packet.
TEST_F(ControlServiceTest, RefusesAnSaThatWouldTakeTheTrafficOfAnotherPeers) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  const std::string fresh = with(with(add_request(), kKeys, kFreshKeys), "4096", "4097");
  const std::string other = with(fresh, "office/out", "thief");
  const std::string elsewhere = with(other, "192.0.2.2:4500", "192.0.2.3:4500");
  EXPECT_EQ(complaint(elsewhere),
            "SA 'thief' to 192.0.2.3:4500 would take the traffic of SA 'office/out' to "
            "192.0.2.2:4500, which has the same selector; delete that one first, or give them "
            "selectors that differ.");
  EXPECT_EQ(sim_.gateway().size(), 1u);
  EXPECT_EQ(ask(with(elsewhere, "10.2.0.0/16", "10.3.0.0/16")).at("ok"), true)
      << "other selectors take nothing";
  ASSERT_EQ(ask(R"({"verb":"sa.delete","name":"thief"})").at("ok"), true);
  ASSERT_EQ(ask(R"({"verb":"sa.delete","name":"office/out"})").at("ok"), true);
  EXPECT_EQ(complaint(with(elsewhere, "f0010203", "f1010203")), "") << "the other one is gone";
}

TEST_F(ControlServiceTest, LetsARekeyLeadToAnotherPeerButNotIntoAnothersTraffic) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  const std::string rekey =
      std::string(R"({"verb":"sa.rekey","name":"office/out","sa":{"spi":4097,)") +
      R"("peer":"192.0.2.3:4500"},)" + kFreshKeys + "}";
  EXPECT_EQ(complaint(rekey), "") << "it takes its own";
  const std::string another =
      with(with(with(with(add_request(), "10.2.0.0/16", "10.3.0.0/16"), "office/out", "b"), "4096",
                "5000"),
           "00010203", "e0010203");
  ASSERT_EQ(complaint(another), "");
  EXPECT_THAT(
      complaint(with(with(rekey, "4097", "4098"), "\"spi\"",
                     R"("selectors":[{"source":"10.1.0.0/16","destination":"10.3.0.0/16"}],)"
                     R"("spi")")),
      HasSubstr("would take the traffic of SA 'b'"));
}

TEST_F(ControlServiceTest, RefusesAnSaWithoutAnSpi) {
  EXPECT_EQ(complaint(with(add_request(), R"("spi":4096,)", "")),
            "The SA needs an 'spi', a number from 256 up.");
}

TEST_F(ControlServiceTest, RefusesAnSaWithoutAPeerInEitherDirection) {
  const std::string nowhere = with(add_request(), R"("peer":"192.0.2.2:4500",)", "");
  const std::string words =
      "The SA needs a 'peer': the address and port of the other end, such as 192.0.2.2:4500.";
  EXPECT_EQ(complaint(nowhere), words);
  EXPECT_EQ(complaint(with(nowhere, "outbound", "inbound")), words);
}

TEST_F(ControlServiceTest, TellsAllThatIsMissingOrWrongAtOnce) {
  EXPECT_EQ(
      complaint(R"({"verb":"sa.add","sa":{"name":"a","mode":"tunel"},)"
                R"("keys":{"cipher":"00","integrity":"0000"}})"),
      "'mode' of the SA must be 'tunnel' or 'transport'. "
      "The SA needs an 'spi', a number from 256 up. "
      "The SA needs a 'peer': the address and port of the other end, such as 192.0.2.2:4500. "
      "The cipher key of SA 'a' is 1 byte long; aes256gcm16 takes 32. Keys are given as hex, "
      "two digits a byte. "
      "The salt of SA 'a' is 0 bytes long; aes256gcm16 takes 4. Keys are given as hex, two "
      "digits a byte. "
      "SA 'a' was given an integrity key of 2 bytes; aes256gcm16 has none.");
  EXPECT_EQ(
      complaint(R"({"verb":"sa.add"})"),
      "The request needs an \"sa\". The request needs \"keys\": an object with \"cipher\" and, "
      "as the transform asks, \"salt\" and \"integrity\", each in hex.");
}

TEST_F(ControlServiceTest, DoesNotCallMissingOrShortWhatItCouldNotRead) {
  const std::string said = complaint(
      R"({"verb":"sa.add","sa":{"name":"a","spi":"x","peer":"nowhere","transform":"aes256gmc16"},)"
      R"("keys":{"cipher":"00"}})");
  for (const char* member :
       {"'spi' of the SA must be", "'peer' of the SA: ", "'transform' of the SA"})
    EXPECT_THAT(said, HasSubstr(member));
  EXPECT_THAT(said, Not(HasSubstr("needs")));
  EXPECT_THAT(said, Not(HasSubstr("bytes long"))) << "how long it must be is not known";
}

TEST_F(ControlServiceTest, TakesThisEndFromTheGatewayWhereTheRequestIsSilent) {
  const auto reply = ask(with(add_request(), R"("local":"192.0.2.1:4500",)", ""));
  ASSERT_EQ(reply.at("ok"), true) << reply;
  EXPECT_EQ(ask(R"({"verb":"sa.list"})")["sas"][0].at("local"), "192.0.2.1:4500");
}

class ControlServiceOfATunnelTest : public ControlServiceTest {
 protected:
  ControlServiceOfATunnelTest() {
    config_.sites["left"].name = "left";
    config_.sites["left"].networks = {IpPrefix::parse("10.1.0.0/24").value()};
    SiteConfig& right = config_.sites["right"];
    right.name = "right";
    right.outer = {IpAddress::parse("192.0.2.2").value(), 4500};
    right.networks = {IpPrefix::parse("10.2.0.0/24").value()};
    TunnelConfig tunnel;
    tunnel.name = "shop";
    tunnel.first = "left";
    tunnel.second = "right";
    tunnel.transform = find_transform("aes256gcm16").value()->transform;
    tunnel.traffic_class = "voice";
    tunnel.esn = false;
    tunnel.replay_window = 64;
    tunnel.outer.dscp = 46;
    tunnel.lifetime.hard_packets = 1000;
    config_.tunnels.push_back(std::move(tunnel));
  }
  std::string add(const std::string& sa) {
    return R"({"verb":"sa.add","sa":{)" + sa + "}," + kKeys + "}";
  }
  SaSpec spec(const std::string& name) { return sim_.gateway().find(name).value().spec; }
};

TEST_F(ControlServiceOfATunnelTest, TakesFromItWhatTheRequestDoesNotSay) {
  ASSERT_EQ(ask(add(R"("name":"shop/in","spi":4096)")).at("ok"), true);
  SaSpec wanted = sa_of_tunnel(config_, "shop/in").value();
  wanted.spi = 4096;
  EXPECT_EQ(spec("shop/in"), wanted);
  EXPECT_EQ(wanted.traffic_class, "voice");
  EXPECT_EQ(wanted.direction, Direction::inbound);
}

TEST_F(ControlServiceOfATunnelTest, LetsTheRequestSayOtherwise) {
  ASSERT_EQ(ask(add(R"("name":"shop/out","spi":4096,"class":"bulk","esn":true)")).at("ok"), true);
  const SaSpec sa = spec("shop/out");
  EXPECT_EQ(sa.traffic_class, "bulk");
  EXPECT_TRUE(sa.esn);
  EXPECT_EQ(sa.replay_window, 64u) << "the rest is the tunnel's";
}

TEST_F(ControlServiceOfATunnelTest, GivesNothingToAnSaOfAnotherNameOrDirection) {
  EXPECT_NE(complaint(add(R"("name":"shops/out","spi":4096)")), "");
  EXPECT_NE(complaint(add(R"("name":"shop","spi":4096)")), "");
  EXPECT_NE(complaint(add(R"("name":"shop/out","direction":"inbound","spi":4096)")), "")
      << "its selectors would be the wrong way round";
  EXPECT_NE(complaint(add(R"("name":"shop/out")")), "") << "the SPI must be given";
}

TEST_F(ControlServiceTest, SaysWithTheWholeDecisionThatNoBackendIsLeft) {
  sim_.device(0).lose();
  const auto reply = ask(add_request());
  EXPECT_EQ(reply.at("ok"), false);
  EXPECT_THAT(reply.at("error").at("message").get<std::string>(), HasSubstr("fake"));
}

TEST_F(ControlServiceTest, RekeysWithNothingButANewSpiAndKeys) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  const auto reply =
      ask(std::string(R"({"verb":"sa.rekey","name":"office/out","sa":{"spi":4097},)") + kFreshKeys +
          "}");
  ASSERT_EQ(reply.at("ok"), true) << reply;
  const auto listed = ask(R"({"verb":"sa.list"})");
  ASSERT_EQ(listed.at("sas").size(), 1u);
  EXPECT_EQ(listed["sas"][0].at("spi"), 4097);
  EXPECT_EQ(listed["sas"][0].at("name"), "office/out");
}

TEST_F(ControlServiceTest, RefusesARekeyWithKeysThatHaveServedBefore) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  EXPECT_THAT(
      complaint(std::string(R"({"verb":"sa.rekey","name":"office/out","sa":{"spi":4097},)") +
                kKeys + "}"),
      HasSubstr("give it fresh ones"));
}

TEST_F(ControlServiceTest, RefusesARekeyWithTheOldSpi) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  EXPECT_NE(
      complaint(std::string(R"({"verb":"sa.rekey","name":"office/out","sa":{},)") + kKeys + "}"),
      "");
}

TEST_F(ControlServiceTest, DeletesAnSa) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  EXPECT_EQ(ask(R"({"verb":"sa.delete","name":"office/out"})").dump(), R"({"ok":true})");
  EXPECT_EQ(ask(R"({"verb":"sa.list"})").at("sas").size(), 0u);
  EXPECT_THAT(complaint(R"({"verb":"sa.delete","name":"office/out"})"), HasSubstr("office/out"));
}

TEST_F(ControlServiceTest, ExplainsAnSaAndSuggestsNames) {
  ASSERT_EQ(ask(add_request()).at("ok"), true);
  const auto reply = ask(R"({"verb":"explain","name":"office/out"})");
  EXPECT_THAT(reply.at("text").get<std::string>(), HasSubstr("office/out: fake"));
  EXPECT_EQ(reply.at("decision").at("sa"), "office/out");
  EXPECT_EQ(complaint(R"({"verb":"explain","name":"ofice/out"})"),
            "There is no SA named 'ofice/out'; did you mean 'office/out'?");
  EXPECT_EQ(complaint(R"({"verb":"explain","name":"of"})"),
            "There is no SA named 'of'; what begins so is 'office/out'.");
  EXPECT_EQ(complaint(R"({"verb":"explain","name":"paris"})"),
            "There is no SA named 'paris'; 'espalier sa list' shows what there is.");
}

TEST_F(ControlServiceTest, ExplainsThatAnSaHasExpired) {
  ASSERT_EQ(complaint(with(add_request(), R"("spi")", R"("lifetime":{"hard_seconds":1},"spi")")),
            "");
  const char* const explain = R"({"verb":"explain","name":"office/out"})";
  EXPECT_THAT(ask(explain).at("text").get<std::string>(), Not(HasSubstr("EXPIRED")));
  sim_.pass(std::chrono::seconds(3));
  sim_.gateway().tend();
  EXPECT_THAT(ask(explain).at("text").get<std::string>(), HasSubstr("It has EXPIRED"));
}

TEST_F(ControlServiceTest, ReportsStatusAndDrops) {
  const auto status = ask(R"({"verb":"status"})");
  EXPECT_EQ(status.at("site"), "left");
  EXPECT_EQ(status.at("pid"), ::getpid());
  EXPECT_EQ(status.at("drops").at("in_replay"), 0);
  EXPECT_EQ(status.at("xfrm_stat").at("XfrmInStateSeqError"), 0);
  EXPECT_EQ(status.at("wire").at("keepalives"), 0);
  for (const char* part : {"drops", "xfrm_stat"})
    EXPECT_EQ(ask(R"({"verb":"drops"})").at(part), status.at(part));
}

TEST_F(ControlServiceTest, StopsWhenAsked) {
  EXPECT_EQ(ask(R"({"verb":"stop"})").at("pid"), ::getpid());
  EXPECT_TRUE(stopped_);
  ask(R"({"verb":"status"})");
  EXPECT_FALSE(stopped_);
  ask(R"({"verb":"stop","now":true})");
  EXPECT_FALSE(stopped_) << "a request that is refused does nothing";
}

TEST_F(ControlServiceTest, RefusesWhatIsNoRequest) {
  EXPECT_THAT(complaint(""), HasSubstr("not JSON"));
  EXPECT_THAT(complaint("{\"verb\":"), HasSubstr("not JSON: byte 9"));
  EXPECT_THAT(complaint("\xff\xfe"), HasSubstr("not JSON"));
  EXPECT_THAT(complaint("[]"), HasSubstr("with a \"verb\""));
  EXPECT_THAT(complaint("{\"verb\":1}"), HasSubstr("with a \"verb\""));
  EXPECT_EQ(complaint(R"({"verb":"sa.ad"})"),
            "There is no verb 'sa.ad' among sa.add, sa.rekey, sa.delete, sa.list, explain, drops, "
            "status, stop, events; did you mean 'sa.add'?");
  EXPECT_EQ(complaint(R"({"verb":"sa.list","name":"x"})"), "The verb 'sa.list' takes no 'name'.");
  EXPECT_EQ(complaint(R"({"verb":"sa.list","":1})"), "The verb 'sa.list' takes no ''.");
  EXPECT_THAT(complaint(R"({"verb":"explain"})"), HasSubstr("\"name\""));
  EXPECT_THAT(complaint(R"({"verb":"sa.add"})"), HasSubstr("\"sa\""));
  EXPECT_THAT(complaint(std::string(R"({"verb":"sa.add",)") + kSa + "}"), HasSubstr("\"keys\""));
}

TEST_F(ControlServiceTest, SurvivesDeepNesting) {
  const std::string deep(60000, '[');
  EXPECT_THAT(complaint(deep), HasSubstr("not JSON"));
}

TEST_F(ControlServiceTest, ForgetsNoByteOfNoiseAndNeverThrows) {
  std::uint64_t state = 42;
  const auto random = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state >> 33);
  };
  const std::string valid = add_request();
  for (int round = 0; round < 3000; ++round) {
    std::string line = valid;
    for (std::uint32_t edits = 1 + random() % 4; edits > 0; --edits)
      line[random() % line.size()] = static_cast<char>(random());
    line.resize(1 + random() % line.size());
    const auto reply = ask(line);
    ASSERT_TRUE(reply.at("ok").is_boolean());
  }
}

}  // namespace
}  // namespace espalier
