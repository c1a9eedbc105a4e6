// SPDX-License-Identifier: Apache-2.0
#include "gateway/reload_plan.hpp"

#include "unit/config/config_fixture.hpp"

#include <functional>

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kSites = R"(
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }
[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
[site.north]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
)";
constexpr std::string_view kRight = R"(
[[tunnel]]
name = "to-right"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
)";
constexpr std::string_view kNorth = R"(
[[tunnel]]
name = "to-north"
sites = ["north", "left"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
)";
constexpr std::string_view kStatic = R"(
[[tunnel]]
name = "static"
sites = ["left", "right"]
transform = "null-sha256"
[tunnel.keys.static]
spi = [0x1000, 0x2000]
forward = { integrity_key = "1111111111111111111111111111111111111111111111111111111111111111" }
backward = { integrity_key = "2222222222222222222222222222222222222222222222222222222222222222" }
)";
constexpr std::string_view kGateway = "[gateway]\nsite = \"left\"\n";

std::string text(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}

std::string with(std::string text, std::string_view old, std::string_view other) {
  const auto at = text.find(old);
  EXPECT_NE(at, text.npos) << old;
  return at == text.npos ? text : text.replace(at, old.size(), other);
}

class ReloadPlanOf : public ConfigTest {
 protected:
  GatewayConfig good(std::string_view text) {
    ConfigReading reading = read(text);
    if (!reading.config) throw std::runtime_error(testing::PrintToString(sentences(reading)));
    return std::move(*reading.config);
  }
  Result<ReloadPlan> compare(const std::string& running, const std::string& wanted) {
    const GatewayConfig from = good(running);
    return reload_plan(from, good(wanted));
  }
  ReloadPlan plan(const std::string& running, const std::string& wanted) {
    auto made = compare(running, wanted);
    EXPECT_TRUE(made) << made.error().message;
    return made.value_or(ReloadPlan{});
  }
  std::string refusal(const std::string& running, const std::string& wanted) {
    const auto made = compare(running, wanted);
    return made ? "(nothing was refused)" : made.error().message;
  }

  const std::string both_ = text({kGateway, kSites, kRight, kNorth});
  const std::string right_ = text({kGateway, kSites, kRight});
  const std::string static_ = text({kGateway, kSites, kStatic});
};

TEST_F(ReloadPlanOf, TheSameConfigurationIsEmpty) {
  EXPECT_EQ(plan(both_, both_), ReloadPlan{});
  EXPECT_EQ(plan(static_, static_), ReloadPlan{});
}

TEST_F(ReloadPlanOf, ANewTunnelBringsItsNetworks) {
  const ReloadPlan made = plan(right_, both_);
  EXPECT_THAT(made.added, ElementsAre("to-north"));
  EXPECT_THAT(made.changed, IsEmpty());
  EXPECT_THAT(made.gone, IsEmpty());
}

TEST_F(ReloadPlanOf, ATunnelThatIsGoneTakesItsNetworksAlong) {
  const ReloadPlan made = plan(both_, right_);
  EXPECT_THAT(made.gone, ElementsAre("to-north"));
  EXPECT_THAT(made.added, IsEmpty());
}

TEST_F(ReloadPlanOf, ANetworkThatAnotherTunnelTakesOverStays) {
  const ReloadPlan made = plan(right_, with(right_, "to-right", "renamed"));
  EXPECT_THAT(made.gone, ElementsAre("to-right"));
  EXPECT_THAT(made.added, ElementsAre("renamed"));
}

TEST_F(ReloadPlanOf, TunnelsOfOtherSitesAreNotItsMatter) {
  const std::string other = with(std::string(kNorth), "\"left\"", "\"right\"");
  EXPECT_EQ(plan(right_, text({right_, other})), ReloadPlan{});
}

TEST_F(ReloadPlanOf, OrderAndSidesDoNotMatter) {
  EXPECT_EQ(plan(both_, text({kGateway, kSites, kNorth, kRight})), ReloadPlan{});
  EXPECT_EQ(plan(both_, with(both_, R"("left", "right")", R"("right", "left")")), ReloadPlan{});
}

TEST_F(ReloadPlanOf, WhatMakesAnotherSaChangesItsTunnelAlone) {
  for (const auto& [old, other] : std::vector<std::pair<std::string, std::string>>{
           {"aes256gcm16", "aes128gcm16"},
           {"\"{site}.keys\"", "\"{site}.new.keys\""},
           {"name = \"to-right\"", "name = \"to-right\"\nclass = \"voice\""},
           {"192.0.2.2", "192.0.2.9"}}) {
    const ReloadPlan made = plan(both_, with(both_, old, other));
    EXPECT_THAT(made.changed, ElementsAre("to-right")) << other;
    EXPECT_THAT(made.added, IsEmpty()) << other;
    EXPECT_THAT(made.gone, IsEmpty()) << other;
  }
}

TEST_F(ReloadPlanOf, AChangedNetworkChangesTunnelAndRoutes) {
  const ReloadPlan made = plan(both_, with(both_, "10.2.0.0/24", "10.9.0.0/24"));
  EXPECT_THAT(made.changed, ElementsAre("to-right"));
}

TEST_F(ReloadPlanOf, StaticKeysWithTheSameSpisAreStillOtherKeys) {
  const std::string other_keys = with(with(static_, "1111", "3111"), "2222", "3222");
  EXPECT_THAT(plan(static_, other_keys).changed, ElementsAre("static"));
  EXPECT_THAT(plan(static_, with(static_, "0x1000, 0x2000", "0x1001, 0x2001")).changed,
              ElementsAre("static"));
  EXPECT_EQ(plan(static_, with(static_, "\"1111", "\"0x1111")), ReloadPlan{}) << "the same key";
}

TEST_F(ReloadPlanOf, AStaticTunnelWrittenFromTheOtherSideIsTheSame) {
  std::string turned = with(static_, R"("left", "right")", R"("right", "left")");
  turned = with(with(turned, "forward =", "other ="), "backward =", "forward =");
  turned = with(turned, "0x1000, 0x2000", "0x2000, 0x1000");
  EXPECT_EQ(plan(static_, with(turned, "other =", "backward =")), ReloadPlan{});
  EXPECT_THAT(plan(static_, with(static_, R"("left", "right")", R"("right", "left")")).changed,
              ElementsAre("static"));
}

// Law 2: the new SA's window would know nothing of the packets of the old one.
TEST_F(ReloadPlanOf, RefusesNewSasWithTheSpiAndTheStaticKeyOfOldOnes) {
  for (const std::string& wanted : {
           with(static_, "\"null-sha256\"", "\"null-sha256\"\nlifetime = { soft_packets = 9 }"),
           with(static_, "2222", "3222"),               // and the other direction's is as it was
           with(static_, "0x1000", "0x1001"),           // the same
           with(static_, "\"static\"", "\"renamed\""),  // gone, and another added
       }) {
    EXPECT_THAT(refusal(static_, wanted), HasSubstr("could be replayed")) << wanted;
  }
}

TEST_F(ReloadPlanOf, APolicyThatChangedIsSaid) {
  const ReloadPlan made = plan(both_, both_ + "\n[policy]\nbackends = [\"openssl\"]\n");
  EXPECT_TRUE(made.policy_changed);
  EXPECT_THAT(made.changed, IsEmpty());
}

TEST_F(ReloadPlanOf, WhatOnlyARestartCanApplyIsNamed) {
  const auto gateway = [&](std::string_view line) {
    return with(both_, kGateway, text({kGateway, line, "\n"}));
  };
  const auto changed = [&](std::string_view old, std::string_view other) {
    return with(both_, old, other);
  };
  for (const auto& [wanted, word] : std::vector<std::pair<std::string, std::string>>{
           {changed("site = \"left\"", "site = \"right\""), "which site"},
           {gateway("dataplane = \"kernel\""), "the dataplane"},
           {gateway("workers = 3"), "number of workers"},
           {gateway("offloads = false"), "the offloads"},
           {gateway("control_socket = \"/run/other.sock\""), "the control socket"},
           {gateway("state_directory = \"/var/lib/other\""), "the state directory"},
           {changed("192.0.2.1", "192.0.2.7"), "outer address or port"},
           {changed("esp0", "esp1"), "the name of the TUN device"},
           {changed("10.1.0.1/24", "10.1.0.7/24"), "the addresses of the TUN device"},
           {changed("name = \"esp0\"", "name = \"esp0\", mtu = 1300"), "the MTU"}}) {
    EXPECT_THAT(refusal(both_, wanted), HasSubstr(word));
    EXPECT_THAT(refusal(both_, wanted), HasSubstr("restart to apply it"));
  }
}

TEST_F(ReloadPlanOf, TheEncapsulationNeedsARestart) {
  const std::string raw = with(std::string(kRight), "keys", "encapsulation = \"none\"\nkeys");
  EXPECT_THAT(refusal(right_, text({kGateway, kSites, raw})), HasSubstr("encapsulation"));
}

TEST_F(ReloadPlanOf, AllThatNeedsARestartIsNamedAtOnce) {
  const std::string wanted =
      with(with(both_, "esp0", "esp1"), kGateway, text({kGateway, "workers = 3\n"}));
  EXPECT_THAT(refusal(both_, wanted),
              HasSubstr("the name of the TUN device, the number of workers"));
}

}  // namespace
}  // namespace espalier
