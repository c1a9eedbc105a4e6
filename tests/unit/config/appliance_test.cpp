// SPDX-License-Identifier: Apache-2.0
//
// The files in configs/appliances are good, and say what their comments say.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unit/places.hpp>

#include <cstdlib>

#include "config_fixture.hpp"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::filesystem::path kAppliances =
    std::filesystem::path(ESPALIER_SOURCE_DIR) / "configs/appliances";

class Appliance : public ConfigTest {
 protected:
  GatewayConfig load(const std::filesystem::path& file, const std::string& site) {
    ConfigReading reading = read_config(file, *secrets_, {.site = site});
    messages_.clear();
    for (const Diagnostic& finding : reading.findings) messages_.push_back(finding.message);
    if (reading.config) return std::move(*reading.config);
    ADD_FAILURE() << testing::PrintToString(sentences(reading));
    return {};
  }

  // Runs make-peers and gives its exit code; its output goes to `out`.
  static int make_peers(const std::string& arguments, const std::filesystem::path& out) {
    const int status =
        std::system(fmt::format("'{}' {} > '{}' 2>&1", (kAppliances / "make-peers").string(),
                                arguments, out.string())
                        .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::vector<std::string> messages_;
};

bool have_python() { return std::system("python3 -c '' 2>/dev/null") == 0; }

TEST_F(Appliance, SiteToSiteRunsBothEndsFromOneFile) {
  const GatewayConfig left = load(kAppliances / "site-to-site.toml", "left");
  EXPECT_THAT(messages_, IsEmpty());
  const GatewayConfig right = load(kAppliances / "site-to-site.toml", "right");
  const auto of_left = sa_specs(left, "");
  const auto of_right = sa_specs(right, "");
  ASSERT_TRUE(of_left && of_right);
  ASSERT_EQ(of_left->size(), 2U);
  EXPECT_EQ(to_string(of_left->at(0).peer), "192.0.2.2:4500");
  EXPECT_EQ(of_left->at(0).selectors, of_right->at(1).selectors);
  EXPECT_EQ(of_left->at(0).selectors.size(), 2U) << "IPv4 and IPv6";
  EXPECT_EQ(left.control_socket, "/run/espalier/left.sock");
  EXPECT_EQ(right.state_directory, "/var/lib/espalier/right");
}

TEST_F(Appliance, SiteToSiteKeysCanBeMadeAndClaimedAtBothEnds) {
  const GatewayConfig config = load(kAppliances / "site-to-site.toml", "left");
  const auto files = generate_key_files(config, folder_, *secrets_);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(*files, ElementsAre(folder_ / "left.keys", folder_ / "right.keys"));
  for (const char* site : {"left", "right"}) {
    const auto keys =
        claim_key_file(folder_ / (std::string(site) + ".keys"), folder_ / site, *secrets_, site);
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_EQ(keys->size(), 2U);
  }
}

TEST_F(Appliance, HostToHostProtectsTheTwoAddressesAlone) {
  const GatewayConfig config = load(kAppliances / "host-to-host.toml", "web");
  EXPECT_THAT(messages_, IsEmpty());
  const auto sas = sa_specs(config, "");
  ASSERT_TRUE(sas);
  ASSERT_EQ(sas->size(), 2U);
  EXPECT_EQ(sas->at(0).mode, Mode::transport);
  ASSERT_EQ(sas->at(0).selectors.size(), 1U);
  EXPECT_EQ(to_string(sas->at(0).selectors[0].source), "192.0.2.1/32");
  EXPECT_EQ(to_string(sas->at(0).selectors[0].destination), "192.0.2.2/32");
}

TEST_F(Appliance, RemoteAccessTakesItsPeersFromTheInclude) {
  const GatewayConfig config = load(kAppliances / "remote-access.toml", "hub");
  EXPECT_THAT(messages_, IsEmpty());
  EXPECT_EQ(config.tunnels.size(), 3U);
  EXPECT_EQ(sa_specs(config, "shop-17")->size(), 2U);
}

TEST_F(Appliance, KernelGatewayIsForTheKernelsDataplane) {
  const GatewayConfig config = load(kAppliances / "kernel-gateway.toml", "office");
  EXPECT_EQ(config.dataplane, Dataplane::kernel);
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(Appliance, IkeGatewayNeedsNoSite) {
  const GatewayConfig config = load(kAppliances / "ike-gateway.toml", "");
  EXPECT_EQ(config.dataplane, Dataplane::kernel);
  EXPECT_EQ(config.control_socket, "/run/espalier/ike.sock");
  EXPECT_THAT(messages_, IsEmpty());
  const GatewayConfig unnamed = load(write("hub.toml", "[gateway]\ndataplane = \"kernel\"\n"), "");
  EXPECT_EQ(unnamed.control_socket, "/run/espalier/hub.sock");
}

TEST_F(Appliance, TestBenchWarnsOfItsPublicKeys) {
  const std::filesystem::path copy =
      write("test-bench.toml", read_text(kAppliances / "test-bench.toml"));
  const GatewayConfig config = load(copy, "dut");
  EXPECT_THAT(messages_, ElementsAre(HasSubstr("replay protection of tunnel 'cbc' ends")));
  EXPECT_TRUE(config.tunnels.at(0).static_keys.has_value());
  EXPECT_EQ(config.policy.fallback, Fallback::fail);
}

TEST_F(Appliance, MakePeersMadeTheSample) {
  if (!have_python()) GTEST_SKIP() << "python3 is not installed";
  const std::filesystem::path out = folder_ / "sample.toml";
  ASSERT_EQ(make_peers(fmt::format("'{}'", (kAppliances / "peers.csv").string()), out), 0);
  EXPECT_EQ(read_text(out), read_text(kAppliances / "peers/sample.toml"));
}

TEST_F(Appliance, MakePeersMakesThousandsThatLoad) {
  if (!have_python()) GTEST_SKIP() << "python3 is not installed";
  const std::filesystem::path main =
      write("remote-access.toml", read_text(kAppliances / "remote-access.toml"));
  std::filesystem::create_directory(folder_ / "peers");
  ASSERT_EQ(make_peers("--sample 5000", folder_ / "peers/many.toml"), 0);
  const GatewayConfig config = load(main, "hub");
  EXPECT_EQ(config.tunnels.size(), 5000U);
  EXPECT_EQ(sa_specs(config, "")->size(), 10000U);
}

TEST_F(Appliance, MakePeersNamesTheLineThatItCannotUse) {
  if (!have_python()) GTEST_SKIP() << "python3 is not installed";
  const std::filesystem::path list =
      write("peers.csv", "good,203.0.113.1,10.1.0.0/24\nbad,nowhere,10.2.0.0/24\n");
  EXPECT_EQ(make_peers(fmt::format("'{}'", list.string()), folder_ / "out"), 1);
  EXPECT_THAT(read_text(folder_ / "out"),
              HasSubstr("peers.csv:2: 'nowhere' does not appear to be"));
}

}  // namespace
}  // namespace espalier
